// SPDX-License-Identifier: MIT
/// What predict says where inputs may not fit the weights, and which weights and inputs a word on its command line
/// means.
#include <pam/attention/reverse_false_negative_attention.hpp>
#include <pam/images/nifti.hpp>
#include <pam/nets/network.hpp>
#include <pam/nets/unet.hpp>
#include <pam/weights/state_dict.hpp>
#include <pam/weights/torch_zip.hpp>
#include <pam/weights/weights.hpp>

#include "apps/program_runs.hpp"
#include "apps/small_net.hpp"

#include <fmt/format.h>

namespace apps_predict_doubts_test {
using namespace pam;
using Catch::Contains;
using test::small_net;
using test::TempDir;

std::string saved(const Network& net, const std::filesystem::path& path, Metadata more = {}) {
  more["pam.net"] = net.options().dump();
  save_weights(*net, path, more);
  return path.string();
}

/// The preparation of a training on RAS volumes, with a normalisation that the file names.
const std::pair<const std::string, std::string> kInput{"pam.input", R"({"normalise": "zscore", "axes": "RAS"})"};

/// Voxels of `x`, `y`, `z` mm, axes in RAS order.
NiftiGeometry geometry(double x, double y, double z) {
  return geometry_of({{{x, 0, 0, 0}, {0, y, 0, 0}, {0, 0, z, 0}}});
}

std::string write_scan(const std::filesystem::path& path, const NiftiGeometry& grid, double lowest = 0,
                       std::int64_t seed = 1) {
  std::filesystem::create_directories(path.parent_path());
  torch::manual_seed(seed);
  write_nifti(path, torch::rand({2, 30, 26}) * 900 + lowest, grid);
  return path.string();
}

/// Runs predict into a new folder.
test::ProgramEnd predict(const TempDir& folder, std::vector<std::string> words, const test::Variables& variables = {},
                         const std::function<void()>& before = {}) {
  words.insert(words.end(), {"--out", (folder / "out").string(), "--overwrite", "--threads", "1"});
  return test::ProgramRun(test::program_named("predict"), words, variables, before).wait();
}

TEST_CASE("voxels of other sizes than the training's give a warning, with both sizes", "[apps]") {
  PAM_SKIP_WITHOUT("predict");
  const TempDir folder;
  const auto net = small_net("unet", 1);
  const auto weights = saved(net, folder / "net.safetensors", {kInput, {"pam.spacing", "[[1,1],[0.5,2],[4,5]]"}});
  const auto said = [&](const std::string& file) {
    const auto done = predict(folder, {"--weights", weights, "--input", file});
    CHECK(done.code == 0);
    return done.err;
  };
  // 0.8 low and 1.25 high are the limits, and belong to the range.
  CHECK_THAT(said(write_scan(folder / "in.nii", geometry(1.25, 2.5, 3.2))), !Contains("voxels of"));
  CHECK_THAT(said(write_scan(folder / "fine.nii", geometry(0.5, 1, 4))),
             Contains("fine.nii: voxels of 0.5 x 1 x 4 mm, those of the training were 1 x 0.5 to 2 x 4 to 5 mm") &&
                 Contains("resample"));
  // Stored as SRA, the axes of these 4 x 1 x 1 mm are z, x, y of the training's: turned before they are compared.
  const auto turned = geometry_of({{{0, 1, 0, 0}, {0, 0, 1, 0}, {4, 0, 0, 0}}});
  CHECK_THAT(said(write_scan(folder / "turned.nii", turned)),
             Contains("run SRA; turned to RAS") && !Contains("voxels of"));
  const auto odd = saved(net, folder / "odd.safetensors", {{"pam.spacing", "[[1,1]]"}});
  const auto refused = predict(folder, {"--weights", odd, "--input", (folder / "in.nii").string()});
  CHECK(refused.code == 2);
  CHECK_THAT(refused.err, Contains("odd.safetensors: its pam.spacing must be [[low, high]"));
}

TEST_CASE("weights that name their normalisation advise no other; those without pam.input say what is assumed",
          "[apps]") {
  PAM_SKIP_WITHOUT("predict");
  const TempDir folder;
  const auto net = small_net("unet", 1);
  const auto scan = write_scan(folder / "scan.nii", geometry(1, 1, 1), -500);
  const auto trained = saved(net, folder / "trained.safetensors", {kInput});
  const auto plain = saved(net, folder / "plain.safetensors");
  CHECK(predict(folder, {"--weights", trained, "--input", scan}).err.empty());
  const auto other = predict(folder, {"--weights", trained, "--input", scan, "--normalise", "zscore-nonzero"});
  CHECK_THAT(other.err, Contains("so 0 is no background here") && Contains("choose --normalise"));
  const auto unknown = predict(folder, {"--weights", plain, "--input", scan});
  CHECK(unknown.code == 0);
  CHECK_THAT(unknown.err, Contains("note: " + plain +
                                   ": does not say how its training prepared images (no pam.input): "
                                   "taken as --normalise auto, without padding") &&
                              Contains("so 0 is no background here"));
  CHECK_THAT(predict(folder, {"--weights", plain, "--input", scan, "--normalise", "zscore"}).err,
             !Contains("pam.input"));
}

TEST_CASE("a picture for weights of volumes, a volume of one value and a fourth axis are named", "[apps]") {
  PAM_SKIP_WITHOUT("predict");
  const TempDir folder;
  const auto weights = saved(small_net("unet", 1), folder / "net.safetensors", {kInput});
  write_image(folder / "a.png", torch::randint(256, {1, 20, 24}, torch::kByte));
  const auto picture = predict(folder, {"--weights", weights, "--input", (folder / "a.png").string()});
  CHECK(picture.code == 0);
  CHECK_THAT(picture.err, Contains("a.png: is a picture") && Contains("was trained on volumes"));
  write_nifti(folder / "seven.nii", torch::full({2, 30, 26}, 7.0F), geometry(1, 1, 1));
  const auto constant = predict(folder, {"--weights", weights, "--input", (folder / "seven.nii").string()});
  CHECK(constant.code == 0);
  CHECK_THAT(constant.err, Contains("seven.nii: all voxels have the value 7: there is nothing to segment"));
  write_nifti(folder / "two.nii", torch::rand({2, 2, 30, 26}), geometry(1, 1, 1));
  const auto fourth = predict(folder, {"--weights", weights, "--input", (folder / "two.nii").string()});
  CHECK(fourth.code == 2);
  CHECK_THAT(fourth.err, Contains("two.nii: its fourth axis has 2 volumes") && Contains("save one of them"));
}

TEST_CASE("the order of the modalities is the training's: taken by default, and no other is accepted", "[apps]") {
  PAM_SKIP_WITHOUT("predict");
  const TempDir folder;
  const auto net = small_net("unet", 2);
  const auto weights = saved(net, folder / "net.safetensors", {kInput, {"pam.modalities", R"(["t1", "flair"])"}});
  const auto silent = saved(net, folder / "silent.safetensors", {kInput});
  const auto cases = folder / "in";
  for (const char* name : {"a", "b"}) {
    write_scan(cases / name / (std::string(name) + "_t1.nii"), geometry(1, 1, 1), 0, 3);
    write_scan(cases / name / (std::string(name) + "_flair.nii"), geometry(1, 1, 1), 0, 4);
  }
  const auto probability = [&](const std::string& file, const std::vector<std::string>& more) {
    std::vector<std::string> words{"--weights", file, "--input", cases.string()};
    words.insert(words.end(), more.begin(), more.end());
    const auto done = predict(folder, words);
    INFO(done.err);
    REQUIRE(done.code == 0);
    return read_nifti(folder / "out" / "b_probability.nii").voxels;
  };
  const auto expected = probability(silent, {"--modalities", "t1", "flair"});
  CHECK_FALSE(torch::equal(probability(silent, {"--modalities", "flair", "t1"}), expected));
  CHECK(torch::equal(probability(weights, {}), expected));
  CHECK(torch::equal(probability(weights, {"--modalities", "T1,FLAIR"}), expected));
  for (const std::string words : {"flair,t1", "t1", "t1,t2"}) {
    const auto refused = predict(folder, {"--weights", weights, "--input", cases.string(), "--modalities", words});
    CHECK(refused.code == 2);
    CHECK_THAT(refused.err, Contains("net.safetensors was trained on t1 flair, in this order") && Contains("leave"));
  }
}

TEST_CASE("what a folder holds beside the cases that are predicted is said", "[apps]") {
  PAM_SKIP_WITHOUT("predict");
  const TempDir folder;
  const auto weights = saved(small_net("unet", 1), folder / "net.safetensors", {kInput});
  const auto in = folder / "in";
  write_scan(in / "top.nii", geometry(1, 1, 1));
  for (const char* name : {"p1", "p2"}) write_scan(in / name / "x_t1.nii", geometry(1, 1, 1));
  std::filesystem::create_directories(in / "notes");
  const auto files = predict(folder, {"--weights", weights, "--input", in.string()});
  CHECK(files.code == 0);
  CHECK_THAT(files.err, Contains(in.string() + ": holds images, so the 2 folders in it that hold images too, such as "
                                               "p1, are left out") &&
                            Contains("give --modalities"));
  std::filesystem::remove_all(in / "notes");
  const auto folders = predict(folder, {"--weights", weights, "--input", in.string(), "--modalities", "t1"});
  CHECK(folders.code == 0);
  CHECK_THAT(folders.err, Contains("the image beside them is left out, such as top.nii"));
  CHECK(std::filesystem::exists(folder / "out" / "p2.nii"));
  for (const char* name : {"p1", "p2"}) std::filesystem::remove_all(in / name);
  write_image(in / "z.png", torch::randint(256, {1, 20, 24}, torch::kByte));
  CHECK_THAT(predict(folder, {"--weights", weights, "--input", in.string()}).err,
             Contains("holds volumes (1) and pictures (1)"));
  std::filesystem::create_directories(folder / "empty");
  const auto empty = predict(folder, {"--weights", weights, "--input", (folder / "empty").string()});
  CHECK(empty.code == 2);
  CHECK_THAT(empty.err, Contains("empty: holds no image; give the folder that holds them"));
}

TEST_CASE("weights by name are found beside a folder of that name; wrong words name the flag and the names", "[apps]") {
  PAM_SKIP_WITHOUT("predict");
  const TempDir folder;
  std::filesystem::create_directories(folder / "weights");
  saved(small_net("unet", 1), folder / "weights" / "mine.safetensors", {kInput});
  std::filesystem::create_directories(folder / "work" / "mine");
  const auto scan = write_scan(folder / "scan.nii", geometry(1, 1, 1));
  const test::Variables named{{"PAM_WEIGHTS_DIR", (folder / "weights").string()}};
  const auto in_work = [&] { REQUIRE(chdir((folder / "work").c_str()) == 0); };
  const auto found = predict(folder, {"--weights", "mine", "--input", scan}, named, in_work);
  CHECK(found.code == 0);
  CHECK_THAT(found.err, Contains("note: --weights mine: " + (folder / "weights" / "mine.safetensors").string()));
  const auto refused = [&](const std::string& word, const std::string& sentence) {
    const auto done = predict(folder, {"--weights", word, "--input", scan}, named, in_work);
    CHECK(done.code == 2);
    CHECK_THAT(done.err, Contains(sentence) && Contains("mine"));
  };
  refused("", "--weights: is empty; give a file");
  refused("mine.safetensors", "--weights mine.safetensors: no such file; check its path, or give a name of weights");
  const auto nowhere = predict(folder, {"--weights", "hippocampus_unet", "--input", scan},
                               {{"PAM_WEIGHTS_DIR", (folder / "none").string()}});
  CHECK_THAT(nowhere.err,
             Contains("warning: PAM_WEIGHTS_DIR is " + (folder / "none").string() + ", which is no folder"));
}

TEST_CASE("a mask that is mostly foreground is doubted where labels may be reversed", "[apps]") {
  PAM_SKIP_WITHOUT("predict");
  const TempDir folder;
  auto net = small_net<ReverseFalseNegativeAttention>("rfna", 1);
  {
    const torch::NoGradGuard no_grad;
    // What the head reads is not negative, after a ReLU: its logits are negative almost everywhere, which for reversed
    // labels is foreground.
    find_tensor(state_dict(*net), "head.weight").fill_(-9);
  }
  std::filesystem::create_directories(folder / "scans");
  const auto scan = folder / "scans" / "scan.nii";
  write_nifti(scan, torch::rand({1, 70, 66}), geometry(1, 1, 1));
  const auto said = saved(net, folder / "said.safetensors", {kInput, {"pam.reversed", "true"}});
  CHECK_THAT(predict(folder, {"--weights", said, "--input", scan.string()}).err,
             Contains("warning: scan: ") && Contains("% of the mask is foreground") && Contains("pam.reversed"));
  write_torch_zip(folder / "silent.pt", state_dict(*net), {kInput});
  const auto by_flag = [&](const std::string& answer) {
    const auto done = predict(folder, {"--weights", (folder / "silent.pt").string(), "--net", "rfna", "--reversed",
                                       answer, "--input", scan.string()});
    INFO(done.err);
    CHECK(done.code == 0);
    return done.err;
  };
  CHECK_THAT(by_flag("yes"), Contains("% of the mask is foreground") && Contains("--reversed no"));
  CHECK_THAT(by_flag("no"), !Contains("of the mask"));
}

}  // namespace apps_predict_doubts_test
