// SPDX-License-Identifier: MIT
/// predict as its users meet it: weights and images in, masks and probabilities out.
#include <pam/attention/reverse_false_negative_attention.hpp>
#include <pam/images/crop.hpp>
#include <pam/images/load_case.hpp>
#include <pam/images/nifti.hpp>
#include <pam/images/resample.hpp>
#include <pam/nets/network.hpp>
#include <pam/nets/unet.hpp>
#include <pam/weights/state_dict.hpp>
#include <pam/weights/torch_zip.hpp>
#include <pam/weights/weights.hpp>

#include "apps/program_runs.hpp"
#include "apps/small_net.hpp"
#include "support/open_counter.hpp"

#include <algorithm>

namespace apps_predict_test {
using namespace pam;
using Catch::Contains;
using test::small_net;
using test::TempDir;

#define SKIP_WITHOUT_PREDICT()                                      \
  if (test::program_path("predict").empty())                        \
  PAM_SKIP(                                                         \
      "predict was not built (set PAM_BIN_DIR to the folder it is " \
      "in)")

test::ProgramEnd predict(const std::vector<std::string>& arguments) {
  return test::run_program_with(test::program_named("predict"), arguments);
}

/// Saves weights as `fit` does.
std::string saved(const Network& net, const std::filesystem::path& path, Metadata more = {}) {
  more["pam.net"] = net.options().dump();
  more["pam.reversed"] = net.reversed() ? "true" : "false";
  save_weights(*net, path, more);
  return path.string();
}

/// Two slices of anisotropic voxels, oblique to nothing but not in the default orientation.
NiftiGeometry geometry() {
  NiftiGeometry grid;
  grid.spacing = {5, 0.9, 0.8};
  grid.affine = {{{-0.8, 0, 0, 90}, {0, 0.9, 0, -120}, {0, 0, 5, -30}}};
  return grid;
}

torch::Tensor write_scan(const std::filesystem::path& path, std::int64_t seed) {
  torch::manual_seed(seed);
  const auto scan = torch::rand({2, 70, 66}) * 900 + 1;
  write_nifti(path, scan, geometry());
  return scan;
}

/// What the net says of a case that is prepared as training prepares it.
torch::Tensor expected(const Network& net, const CaseFiles& files, const CaseOptions& options = {}) {
  torch::NoGradGuard no_grad;
  const auto source = load_case(files, options);
  return to_input_grid(net.probabilities(source.image.transpose(0, 1).contiguous()).transpose(0, 1).contiguous(),
                       source);
}

TEST_CASE("predict gives a NIfTI mask and probability on the input's grid, from several modalities", "[apps]") {
  PAM_SKIP_WITHOUT("predict");
  const TempDir folder;
  const auto net = small_net<ConvBlock>("unet", 2);
  const auto weights = saved(net, folder / "net.safetensors");
  const auto a = folder / "a_0000.nii.gz", b = folder / "a_0001.nii.gz";
  write_scan(a, 1);
  write_scan(b, 2);
  const auto done =
      predict({"--weights", weights, "--input", a.string(), b.string(), "--out", (folder / "out").string()});
  INFO(done.err);
  REQUIRE(done.code == 0);
  const auto mask = read_nifti(folder / "out" / "a.nii.gz");
  const auto probability = read_nifti(folder / "out" / "a_probability.nii.gz");
  const auto p = expected(net, {"a", {a, b}, {}})[0];
  // One network twice, with other batches: float32 rounding.
  REQUIRE(torch::allclose(probability.voxels, p, 1e-4, 1e-5));
  REQUIRE(mask.voxels.scalar_type() == torch::kByte);
  REQUIRE((mask.voxels.ne((p > 0.5).to(torch::kByte)) & (p - 0.5).abs().gt(1e-4)).sum().item<std::int64_t>() == 0);
  for (const auto* image : {&mask, &probability}) {
    REQUIRE(same_grid(*image, read_nifti_geometry(a), {2, 70, 66}));
  }
}

TEST_CASE("a reversed net comes out right by itself; for weights that do not say, --reversed must", "[apps]") {
  PAM_SKIP_WITHOUT("predict");
  const TempDir folder;
  const auto net = small_net<ReverseFalseNegativeAttention>("rfna", 1);
  REQUIRE(net.reversed());
  const auto scan = folder / "scan.nii";
  write_scan(scan, 3);
  const auto p = expected(net, {"scan", {scan}, {}})[0];
  const auto found = [&](const std::string& weights, std::vector<std::string> more) {
    std::vector<std::string> words{"--weights",  weights, "--input", scan.string(), "--out", (folder / "out").string(),
                                   "--overwrite"};
    words.insert(words.end(), more.begin(), more.end());
    const auto done = predict(words);
    INFO(done.err);
    REQUIRE(done.code == 0);
    return read_nifti(folder / "out" / "scan_probability.nii").voxels;
  };
  REQUIRE(torch::allclose(found(saved(net, folder / "rfna.safetensors"), {}), p, 1e-4, 1e-5));

  const auto silent = (folder / "silent.pt").string();
  write_torch_zip(silent, state_dict(*net), {});  // as Python writes it
  const auto refused =
      predict({"--weights", silent, "--net", "rfna", "--input", scan.string(), "--out", (folder / "no").string()});
  REQUIRE(refused.code == 2);
  REQUIRE_THAT(refused.err, Contains("reversed"));
  REQUIRE(!std::filesystem::exists(folder / "no"));
  REQUIRE(torch::allclose(found(silent, {"--net", "rfna", "--reversed", "yes"}), p, 1e-4, 1e-5));
  REQUIRE(torch::allclose(found(silent, {"--net", "rfna", "--reversed", "no"}), 1 - p, 1e-4, 1e-5));
}

TEST_CASE("pictures of any size give PNG of that size; the preparation in the weights counts", "[apps]") {
  PAM_SKIP_WITHOUT("predict");
  const TempDir folder;
  const auto net = small_net<ConvBlock>("unet", 3, 3);
  CaseOptions options;
  options.resize = {32, 48};
  const auto weights = saved(
      net, folder / "net.safetensors",
      {{"pam.input", R"({"normalise": "auto", "channels": 3, "crop": "", "resize": "32x48", "resample": false})"}});
  std::filesystem::create_directories(folder / "in");
  torch::manual_seed(4);
  const auto picture = folder / "in" / "street.jpg";
  write_image(picture, torch::randint(0, 256, {3, 41, 61}).to(torch::kByte));
  const auto done =
      predict({"--weights", weights, "--input", (folder / "in").string(), "--out", (folder / "out").string()});
  INFO(done.err);
  REQUIRE(done.code == 0);
  const auto p = expected(net, {"street", {picture}, {}}, options);  // (3, 1, 41, 61)
  for (std::int64_t k = 0; k < 3; ++k) {
    const auto written = read_image(folder / "out" / fmt::format("street_probability_{}.png", k)).to(torch::kDouble);
    // 16 bits: half a step of 1/65535, and float32 rounding.
    REQUIRE((written[0] / 65535 - p[k][0]).abs().max().item<double>() < 2e-5);
  }
  const auto mask = read_label_image(folder / "out" / "street.png");
  REQUIRE(mask.sizes() == torch::IntArrayRef({41, 61}));
  REQUIRE(mask.to(torch::kLong).ne(p.argmax(0)[0]).sum().item<std::int64_t>() == 0);
}

TEST_CASE("predict gives the masks that the run itself gave, padding of smaller cases included", "[apps]") {
  PAM_SKIP_WITHOUT("predict");
  PAM_SKIP_WITHOUT("train");
  const TempDir folder;
  for (const char* name : {"images", "labels"}) std::filesystem::create_directories(folder / name);
  for (std::int64_t i = 0; i < 4; ++i) {
    torch::manual_seed(i);
    auto scan = torch::rand({3, 40 + 6 * i, 30 + 5 * i}) + 1;
    auto mask = torch::zeros(scan.sizes(), torch::kByte);
    mask.narrow(1, 8, 9).narrow(2, 10, 8).fill_(1);
    scan.narrow(1, 8, 9).narrow(2, 10, 8).add_(2);
    write_nifti(folder / "images" / fmt::format("c{}.nii.gz", i), scan, geometry());
    write_nifti(folder / "labels" / fmt::format("c{}.nii.gz", i), mask, geometry());
  }
  // The smallest case is tested: by a split of names, so that it is sure to be padded.
  std::ofstream(folder / "split.json") << R"({"train": ["c1", "c2", "c3"], "test": ["c0"]})";
  const auto run = folder / "run";
  const auto trained = test::run_program_with(
      test::program_named("train"),
      {"--data", folder.path().string(), "--label-values", "1", "--split", (folder / "split.json").string(), "--nets",
       "unet", "--width", "4", "--epochs", "3", "--threads", "1", "--out", run.string()});
  INFO(trained.err);
  REQUIRE(trained.code == 0);
  const auto done =
      predict({"--weights", (run / "unet" / "last.safetensors").string(), "--input",
               (folder / "images" / "c0.nii.gz").string(), "--threads", "1", "--out", (folder / "out").string()});
  INFO(done.err);
  REQUIRE(done.code == 0);
  const auto ours = read_nifti(folder / "out" / "c0.nii.gz"),
             theirs = read_nifti(run / "unet" / "predictions" / "c0.nii.gz");
  REQUIRE(theirs.voxels.sum().item<std::int64_t>() > 0);
  REQUIRE(torch::equal(ours.voxels, theirs.voxels));
  REQUIRE_THAT(read_safetensors(run / "unet" / "last.safetensors").metadata.at("pam.input"),
               Contains("\"pad\":\"58x45\""));
}

TEST_CASE("numbered pictures are inputs of their own, and results do not meet", "[apps]") {
  PAM_SKIP_WITHOUT("predict");
  const TempDir folder;
  const auto net = small_net<ConvBlock>("unet", 3);
  const auto weights = saved(net, folder / "net.safetensors");
  for (const char* name : {"frame_0000", "frame_0001", "frame_0002"}) {
    std::filesystem::create_directories(folder / "data/images");
    write_image(folder / "data/images" / (std::string(name) + ".png"), torch::randint(256, {3, 20, 24}, torch::kByte));
  }
  std::filesystem::create_directories(folder / "data/labels");
  std::ofstream(folder / "data/labels/frame_0000.png") << "damaged, and none of predict's business";
  const auto done =
      predict({"--weights", weights, "--input", (folder / "data").string(), "--out", (folder / "out").string()});
  INFO(done.err);
  REQUIRE(done.code == 0);
  CHECK(read_label_image(folder / "out/frame_0002.png").sizes() == torch::IntArrayRef{20, 24});
  const auto twice =
      predict({"--weights", weights, "--input", (folder / "data").string(), "--out", (folder / "out").string()});
  CHECK(twice.code == 2);
  CHECK_THAT(twice.err, Contains("frame_0000.png is there already") && Contains("--overwrite"));
  std::filesystem::rename(folder / "data/images/frame_0001.png", folder / "data/images/frame_0000_probability.png");
  const auto met =
      predict({"--weights", weights, "--input", (folder / "data").string(), "--out", (folder / "met").string()});
  CHECK(met.code == 2);
  CHECK_THAT(met.err, Contains("would be this one file"));
  const auto nowhere = predict(
      {"--weights", weights, "--input", (folder / "data").string(), "--out", (folder / "net.safetensors").string()});
  CHECK(nowhere.code == 2);
  CHECK_THAT(nowhere.err, Contains("is a file, not a folder"));
}

TEST_CASE("predict writes no mask where weights or activations are not finite, and says what is at fault", "[apps]") {
  PAM_SKIP_WITHOUT("predict");
  const TempDir folder;
  const auto scan = folder / "scan.nii";
  write_scan(scan, 1);
  const auto refused = [&](const char* name, double value) {
    const auto net = small_net<ConvBlock>("unet", 1);
    torch::NoGradGuard no_grad;
    auto weight = find_tensor(state_dict(*net), name);
    if (std::isfinite(value)) {
      weight.mul_(value);
    } else {
      weight.view(-1)[0] = value;
    }
    const auto done = predict({"--weights", saved(net, folder / "net.safetensors"), "--input", scan.string(), "--out",
                               (folder / "out").string()});
    CHECK(done.code == 2);
    CHECK(!std::filesystem::exists(folder / "out" / "scan.nii"));
    CHECK(!std::filesystem::exists(folder / "out" / "scan_probability.nii"));
    return done.err;
  };
  CHECK_THAT(refused("head.weight", NAN), Contains("net.safetensors: the tensor 'head.weight' holds 1 of"));
  CHECK_THAT(refused("stem.conv1.conv.weight", INFINITY), Contains("the tensor 'stem.conv1.conv.weight'"));
  CHECK_THAT(refused("stem.conv1.conv.weight", 1e38), Contains("case scan: slice 0 (of 2, counted from 0)"));
}

TEST_CASE("weights from Python: the flags that messages name choose section, prefix and network", "[apps]") {
  PAM_SKIP_WITHOUT("predict");
  const TempDir folder;
  const auto net = small_net<ConvBlock>("unet", 1);
  const auto scan = folder / "scan.nii";
  write_scan(scan, 2);
  const auto p = expected(net, {"scan", {scan}, {}})[0];
  StateDict one, two;
  for (const auto& [name, tensor] : state_dict(*net)) {
    one.emplace_back("model." + name, tensor);
    two.emplace_back("model." + name, tensor);
    two.emplace_back("ema." + name, tensor + 1);
  }
  write_torch_zip(folder / "one.pt", one, {});
  write_torch_zip(folder / "two.pt", two, {});
  const auto run = [&](const char* weights, std::vector<std::string> more) {
    const std::vector<std::string> words{
        "--weights", (folder / weights).string(), "--net",      "unet", "--input", scan.string(),
        "--out",     (folder / "out").string(),   "--overwrite"};
    more.insert(more.begin(), words.begin(), words.end());
    return predict(more);
  };
  auto done = run("one.pt", {});
  INFO(done.err);
  CHECK(done.code == 0);
  CHECK_THAT(done.err, Contains("note: ") && Contains("'model.' was taken off the front of all names"));
  // One network twice, with other batches: float32 rounding.
  CHECK(torch::allclose(read_nifti(folder / "out" / "scan_probability.nii").voxels, p, 1e-4, 1e-5));
  done = run("two.pt", {});
  CHECK(done.code == 2);
  CHECK_THAT(done.err, Contains("by --key-prefix") && !Contains("key_map") && !Contains("LoadOptions"));
  done = run("two.pt", {"--key-prefix", "model."});
  CHECK(done.code == 0);
  CHECK(torch::allclose(read_nifti(folder / "out" / "scan_probability.nii").voxels, p, 1e-4, 1e-5));
  done = run("two.pt", {"--section", "ema"});
  CHECK(done.code == 2);
  CHECK_THAT(done.err, Contains("has no section 'ema'"));
}

/// Cases of two modalities, a_0000 and a_0001 and so on, in `folder`.
void write_cases(const std::filesystem::path& folder, const std::vector<std::string>& names) {
  std::filesystem::create_directories(folder);
  std::int64_t seed = 20;
  for (const auto& name : names) {
    for (const char* channel : {"_0000.nii.gz", "_0001.nii.gz"}) write_scan(folder / (name + channel), seed++);
  }
}

TEST_CASE("predict reads ahead and writes behind: each file is decoded once, results are those of single cases",
          "[apps]") {
  PAM_SKIP_WITHOUT("predict");
  const TempDir folder;
  const auto weights = saved(small_net<ConvBlock>("unet", 2), folder / "net.safetensors");
  write_cases(folder / "in", {"a", "b", "c"});
  const test::OpenCounter opened(folder / "in");
  const auto done =
      predict({"--weights", weights, "--input", (folder / "in").string(), "--out", (folder / "out").string()});
  INFO(done.err);
  REQUIRE(done.code == 0);
  const auto counts = opened.counts();
  REQUIRE(counts.size() == 6);
  for (const auto& [file, count] : counts) {
    CAPTURE(file);
    CHECK(count == 1);  // nobody has opened it a second time, be it for its header
  }
  const auto a = done.out.find("a: "), b = done.out.find("b: "), c = done.out.find("c: ");
  CHECK((a < b && b < c && c != std::string::npos));
  for (const std::string name : {"a", "b", "c"}) {
    const auto alone = predict({"--weights", weights, "--input", (folder / "in" / (name + "_0000.nii.gz")).string(),
                                (folder / "in" / (name + "_0001.nii.gz")).string(), "--out",
                                (folder / "alone").string(), "--overwrite"});
    REQUIRE(alone.code == 0);
    for (const std::string& file : {name + ".nii.gz", name + "_probability.nii.gz"}) {
      CHECK(torch::equal(read_nifti(folder / "out" / file).voxels, read_nifti(folder / "alone" / file).voxels));
    }
  }
}

TEST_CASE("a damaged case ends predict with its message after the results of the cases before it", "[apps]") {
  PAM_SKIP_WITHOUT("predict");
  const TempDir folder;
  const auto weights = saved(small_net<ConvBlock>("unet", 2), folder / "net.safetensors");
  write_cases(folder / "in", {"a", "b", "c"});
  // Both files of b are damaged: the first one is named, whichever is decoded first.
  for (const char* name : {"b_0000.nii.gz", "b_0001.nii.gz"}) {
    std::filesystem::resize_file(folder / "in" / name, std::filesystem::file_size(folder / "in" / name) / 2);
  }
  const auto done =
      predict({"--weights", weights, "--input", (folder / "in").string(), "--out", (folder / "out").string()});
  CHECK(done.code == 2);
  CHECK_THAT(done.err, Contains("case b") && Contains("b_0000.nii.gz") && Contains("cut short"));
  CHECK_THAT(done.out, Contains("a: ") && !Contains("c: "));
  CHECK(std::filesystem::exists(folder / "out" / "a_probability.nii.gz"));
  CHECK_FALSE(std::filesystem::exists(folder / "out" / "c.nii.gz"));
}

TEST_CASE("a result that cannot be written ends predict, though the next case is computed meanwhile", "[apps]") {
  PAM_SKIP_WITHOUT("predict");
  const TempDir folder;
  const auto weights = saved(small_net<ConvBlock>("unet", 2), folder / "net.safetensors");
  write_cases(folder / "in", {"a", "b"});
  std::filesystem::create_directories(folder / "out" / "a.nii.gz");
  const auto done = predict(
      {"--weights", weights, "--input", (folder / "in").string(), "--out", (folder / "out").string(), "--overwrite"});
  CHECK(done.code == 2);
  CHECK_THAT(done.err, Contains("a.nii.gz: is a folder or device"));
  CHECK_FALSE(std::filesystem::exists(folder / "out" / "b.nii.gz"));
}

TEST_CASE("Ctrl-C ends predict with 130; what it says is finished is there, and nothing half-written", "[apps]") {
  PAM_SKIP_WITHOUT("predict");
  const TempDir folder;
  const auto weights = saved(small_net<ConvBlock>("unet", 2), folder / "net.safetensors");
  std::vector<std::string> names;
  for (int i = 0; i < 60; ++i) names.push_back(fmt::format("case{:02}", i));
  write_cases(folder / "in", names);
  test::ProgramRun broken(test::program_named("predict"), {"--weights", weights, "--input", (folder / "in").string(),
                                                           "--out", (folder / "out").string()});
  REQUIRE(test::wait_until(broken, [&] { return test::text_of(broken.out()).find("case00: ") != std::string::npos; }));
  if (broken.over()) PAM_SKIP("the run was over before the interrupt could be sent");
  broken.send(SIGINT);
  const auto done = broken.wait();
  INFO(done.err);
  REQUIRE(done.code == 130);
  REQUIRE_THAT(done.err, Contains("Stopped; finished cases are in"));
  const auto said = std::count(done.out.begin(), done.out.end(), '\n') - 1;  // the first line names the network
  std::int64_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "out")) {
    if (entry.path().extension() != ".gz") continue;
    CHECK_NOTHROW(read_nifti(entry.path()));
    ++files;
  }
  CHECK(said < 60);
  CHECK(files == 2 * said);
}

TEST_CASE("what predict cannot do it says, with code 2 and nothing written", "[apps]") {
  PAM_SKIP_WITHOUT("predict");
  const TempDir folder;
  const auto net = small_net<ConvBlock>("unet", 2);
  const auto weights = saved(net, folder / "net.safetensors");
  const auto scan = folder / "scan.nii";
  write_scan(scan, 1);
  const auto refused = [&](std::vector<std::string> words, const std::string& sentence) {
    words.insert(words.end(), {"--out", (folder / "out").string()});
    const auto done = predict(words);
    CAPTURE(sentence);
    CHECK(done.code == 2);
    CHECK_THAT(done.err, Contains(sentence));
    CHECK(!std::filesystem::exists(folder / "out"));
  };
  refused({"--weights", weights, "--input", scan.string()}, "has 1 channels");
  refused({"--weights", weights, "--input", (folder / "none.nii").string()}, "no such file or folder");
  refused({"--weights", weights, "--input", scan.string(), "--net", "fpa"},
          "holds weights of the network unet, not fpa");
  save_weights(*net, folder / "plain.pt");
  const auto plain = (folder / "plain.pt").string();
  refused({"--weights", plain, "--input", scan.string()}, "does not say which network");
  refused({"--weights", plain, "--input", scan.string(), "--net", "unt"}, "did you mean unet");
  refused({"--weights", weights, "--input", scan.string(), "--crop", "16"}, "HEIGHTxWIDTH");
  const auto odd = saved(net, folder / "odd.safetensors", {{"pam.input", R"({"zoom": 2})"}});
  refused({"--weights", odd, "--input", scan.string()}, "\"zoom\"");
  auto holed = torch::rand({2, 70, 66});
  holed[1][2][3] = NAN;
  const auto bad = (folder / "bad.nii").string();
  write_nifti(bad, holed, geometry());
  refused({"--weights", weights, "--input", scan.string(), bad}, "--zero-non-finite");
  const auto zeroed = predict({"--weights", weights, "--input", scan.string(), bad, "--zero-non-finite", "--out",
                               (folder / "zeroed").string()});
  CHECK(zeroed.code == 0);
  CHECK_THAT(zeroed.err, Contains("bad.nii: 1 of 9240 voxels are NaN") && Contains("read as 0"));
  const auto over =
      predict({"--weights", weights, "--input", scan.string(), scan.string(), "--out", folder.path().string()});
  CHECK(over.code == 2);
  CHECK_THAT(over.err, Contains("would be taken for inputs"));
}

TEST_CASE("predict calls nnU-Net's NAME_0000 by the case's name, NAME, and .NII.GZ gives .nii.gz", "[apps]") {
  PAM_SKIP_WITHOUT("predict");
  const TempDir folder;
  const auto weights = saved(small_net<ConvBlock>("unet", 1), folder / "net.safetensors");
  std::filesystem::create_directories(folder / "in");
  write_scan(folder / "in" / "hip_100_0000.nii.gz", 1);
  write_scan(folder / "in" / "hip_101_0000.nii.gz", 2);
  const auto out = folder / "out";
  auto done = predict({"--weights", weights, "--input", (folder / "in").string(), "--out", out.string()});
  INFO(done.err);
  REQUIRE(done.code == 0);
  CHECK(std::filesystem::exists(out / "hip_100.nii.gz"));
  CHECK(std::filesystem::exists(out / "hip_101_probability.nii.gz"));
  CHECK(std::filesystem::exists(out / ".pam-results"));  // a folder of results is never a case

  std::filesystem::rename(folder / "in" / "hip_101_0000.nii.gz", folder / "in" / "hip_100_0001.nii.gz");
  done = predict({"--weights", weights, "--input", (folder / "in").string(), "--out", (folder / "frames").string()});
  REQUIRE(done.code == 0);  // numbered inputs of a network of one channel are cases of their own
  CHECK(std::filesystem::exists(folder / "frames" / "hip_100_0000.nii.gz"));

  std::filesystem::rename(folder / "in" / "hip_100_0001.nii.gz", folder / "c.NII.GZ");
  done = predict({"--weights", weights, "--input", (folder / "c.NII.GZ").string(), "--out", out.string()});
  REQUIRE(done.code == 0);
  CHECK(std::filesystem::exists(out / "c.nii.gz"));
}

TEST_CASE("predict never writes among its inputs, and refuses what these would ignore", "[apps]") {
  PAM_SKIP_WITHOUT("predict");
  const TempDir folder;
  const auto weights = saved(small_net<ConvBlock>("unet", 1), folder / "net.safetensors"),
             classes = saved(small_net<ConvBlock>("unet", 1, 3), folder / "classes.safetensors");
  std::filesystem::create_directories(folder / "in");
  write_scan(folder / "in" / "a.nii", 1);
  const auto refused = [&](std::vector<std::string> more, const std::string& why) {
    std::vector<std::string> words{
        "--weights", weights, "--input", (folder / "in").string(), "--out", (folder / "out").string()};
    for (std::size_t i = 0; i + 1 < more.size(); i += 2) {
      const auto at = std::find(words.begin(), words.end(), more[i]);
      if (at == words.end()) continue;
      *std::next(at) = more[i + 1];
      more.erase(more.begin() + static_cast<std::ptrdiff_t>(i), more.begin() + static_cast<std::ptrdiff_t>(i) + 2);
      break;
    }
    words.insert(words.end(), more.begin(), more.end());
    const auto end = predict(words);
    INFO(end.err);
    CHECK(end.code == 2);
    CHECK_THAT(end.err, Contains(why));
    CHECK_FALSE(std::filesystem::exists(folder / "out"));
  };
  refused({"--out", (folder / "in").string()}, "would be taken for inputs");
  refused({"--out", (folder / "in" / ".").string()}, "would be taken for inputs");
  refused({"--resize", "32x32"}, "--resize: is for pictures");
  refused({"--resample"}, "--resample: is for cases of several files");
  refused({"--ignore-affine"}, "--ignore-affine: is for cases of several files");
  refused({"--input", (folder / "in" / "a.nii").string(), "--modalities", "t1"},
          "--modalities: is for an --input folder");
  refused({"--weights", classes, "--threshold", "0.4"}, "--threshold: is for binary networks");
  std::filesystem::create_directories(folder / "set" / "images");
  write_scan(folder / "set" / "images" / "a.nii", 1);
  refused({"--input", (folder / "set").string(), "--modalities", "t1"}, "--modalities is for one folder per case");
  std::filesystem::create_directories(folder / "pictures");
  write_image(folder / "pictures" / "a.jpg", torch::ones({1, 70, 70}, torch::kByte));
  for (const char* option : {"--resample", "--ignore-affine", "--zero-non-finite"}) {
    refused({"--input", (folder / "pictures").string(), option}, std::string(option) + ": is for volumes");
  }
}

TEST_CASE("predict finds the same cases again where its results lie in the folder of the cases", "[apps]") {
  PAM_SKIP_WITHOUT("predict");
  const TempDir folder;
  const auto weights = saved(small_net<ConvBlock>("unet", 1), folder / "net.safetensors");
  for (const char* name : {"p1", "p2"}) {
    std::filesystem::create_directories(folder / "cf" / name);
    write_scan(folder / "cf" / name / "T1w.nii", 1);
  }
  for (int round = 0; round < 2; ++round) {
    const auto done = predict({"--weights", weights, "--input", (folder / "cf").string(), "--modalities", "T1w",
                               "--out", (folder / "cf" / "out").string(), "--overwrite"});
    INFO(done.err);
    REQUIRE(done.code == 0);
    CHECK_THAT(done.out, Contains("2 cases"));
  }
  const auto among = predict({"--weights", weights, "--input", (folder / "cf").string(), "--modalities", "T1w", "--out",
                              (folder / "cf" / "p1").string()});
  CHECK(among.code == 2);
  CHECK_THAT(among.err, Contains("would be taken for inputs"));
}

TEST_CASE("predict takes the name of pretrained weights, and lists them where there is none of it", "[apps]") {
  PAM_SKIP_WITHOUT("predict");
  const TempDir folder;
  const auto net = small_net<ConvBlock>("unet", 1);
  std::filesystem::create_directories(folder / "weights");
  const auto path = saved(net, folder / "weights" / "tiny_unet.safetensors");
  static_cast<void>(write_scan(folder / "scan.nii.gz", 1));
  const auto with = [&](const std::string& weights, const std::string& out) {
    return test::run_program_with(
        test::program_named("predict"),
        {"--weights", weights, "--input", (folder / "scan.nii.gz").string(), "--out", (folder / out).string()},
        {{"PAM_WEIGHTS_DIR", (folder / "weights").string()}});
  };
  const auto named = with("tiny_unet", "named"), by_path = with(path, "by_path");
  CAPTURE(named.err, by_path.err);
  REQUIRE((named.code == 0 && by_path.code == 0));
  REQUIRE(torch::equal(read_nifti(folder / "named" / "scan_probability.nii.gz").voxels,
                       read_nifti(folder / "by_path" / "scan_probability.nii.gz").voxels));
  const auto unknown = with("tiny_unit", "none");
  REQUIRE(unknown.code == 2);
  REQUIRE_THAT(unknown.err, Contains("\"tiny_unit\"") && Contains("did you mean tiny_unet?") &&
                                Contains((folder / "weights").string()));
  const auto gone = with("gone.safetensors", "none");
  REQUIRE(gone.code == 2);
  REQUIRE_THAT(gone.err, Contains("gone.safetensors"));
}

}  // namespace apps_predict_test
