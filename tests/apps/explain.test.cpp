// SPDX-License-Identifier: MIT
/// explain as its users meet it: attention maps and errors of one case, and receptive fields.
#include <pam/attention/false_positive_attention.hpp>
#include <pam/core/inspect.hpp>
#include <pam/images/nifti.hpp>
#include <pam/nets/network.hpp>
#include <pam/nets/unet.hpp>
#include <pam/weights/weights.hpp>

#include "apps/program_runs.hpp"

#include <cmath>
#include <string>

namespace apps_explain_test {
using namespace pam;
using Catch::Contains;
using test::TempDir;

test::ProgramEnd explain(const std::vector<std::string>& arguments) {
  return test::run_program_with(test::program_named("explain"), arguments);
}

TEST_CASE("explain maps writes each level's attention on the input's grid, and errors beside the truth", "[apps]") {
  PAM_SKIP_WITHOUT("explain");
  const TempDir folder;
  torch::manual_seed(5);
  Network net("fpa", UNet<FalsePositiveAttention>(UNetOptions<FalsePositiveAttention>(1, 1).width(4)));
  save_weights(*net, folder / "net.safetensors", {{"pam.net", net.options().dump()}, {"pam.reversed", "false"}});
  NiftiGeometry grid;
  grid.spacing = {3, 1, 1};
  grid.affine = {{{1, 0, 0, -20}, {0, 1, 0, -20}, {0, 0, 3, 0}}};
  const auto scan = torch::rand({2, 48, 40}) + 1;  // nowhere 0: the z-score is over all voxels
  auto mask = torch::zeros({2, 48, 40}, torch::kByte);
  mask[1].narrow(0, 10, 8).narrow(1, 12, 6).fill_(1);
  write_nifti(folder / "scan.nii.gz", scan, grid);
  write_nifti(folder / "mask.nii.gz", mask, grid);
  const auto out = folder / "out";
  const auto done =
      explain({"maps", "--weights", (folder / "net.safetensors").string(), "--input", (folder / "scan.nii.gz").string(),
               "--labels", (folder / "mask.nii.gz").string(), "--out", out.string()});
  INFO(done.err);
  REQUIRE(done.code == 0);
  REQUIRE(std::filesystem::exists(out / "scan_slice1_errors.png"));  // the one slice with foreground
  REQUIRE(read_image(out / "scan_slice1_attention.png").size(0) == 3);

  net->eval();
  auto input = ((scan - scan.mean()) / scan.std(/*unbiased=*/false)).unsqueeze(1);
  for (auto& [name, module] : inspectables(*net)) module->inspect(true);
  torch::NoGradGuard no_grad;
  static_cast<void>(net(input));
  for (auto& [name, module] : inspectables(*net)) {
    CAPTURE(name);
    const auto file = read_nifti(out / fmt::format("scan_fpa_{}.nii.gz", name));
    REQUIRE(file.spacing == grid.spacing);
    const auto map = torch::nn::functional::interpolate(module->record().attention.mean(1, true),
                                                        torch::nn::functional::InterpolateFuncOptions()
                                                            .size(std::vector<std::int64_t>{48, 40})
                                                            .mode(torch::kBilinear)
                                                            .align_corners(true));
    REQUIRE(torch::allclose(file.voxels, map.squeeze(1), 1e-4, 1e-5));  // float32, summed in another order
  }
}

/// The last number of the row that begins with `name`: the radius of 95 % of the energy.
double radius95(const std::filesystem::path& csv, const std::string& name) {
  const auto text = test::text_of(csv);
  const auto row = text.find(name);
  if (row == std::string::npos) return std::nan("");
  const auto line = text.substr(row, text.find('\n', row) - row);
  return std::stod(line.substr(line.rfind(',') + 1));
}

TEST_CASE("explain receptive-field measures blocks and networks and says what becomes of the claims", "[apps]") {
  PAM_SKIP_WITHOUT("explain");
  const TempDir folder;
  torch::manual_seed(5);
  Network net("fpa", UNet<FalsePositiveAttention>(UNetOptions<FalsePositiveAttention>(1, 1).width(4)));
  save_weights(*net, folder / "net.safetensors", {{"pam.net", net.options().dump()}, {"pam.reversed", "false"}});
  const auto done =
      explain({"receptive-field", "--nets", "unet", "d9unet", "--width", "4", "--size", "64", "--samples", "2",
               "--weights", (folder / "net.safetensors").string(), "--out", (folder / "rf").string()});
  INFO(done.err);
  REQUIRE(done.code == 0);
  REQUIRE_THAT(done.out, Contains("Claim 1") && Contains("Claim 2") && Contains("d9unet"));
  for (const char* name : {"receptive_field.md", "receptive_field.csv", "receptive_field.png"}) {
    REQUIRE(std::filesystem::file_size(folder / "rf" / name) > 0);
  }
  // Two 3x3 convolutions reach 2 pixels, two of dilation 9 reach 18 (corners: times the root of 2); beyond that there
  // are only the instance norms, which hold far less than 5 % of the energy. 0.01: the corner's distance is rounded.
  const auto csv = folder / "rf" / "receptive_field.csv";
  CHECK(radius95(csv, "\"FPA d9, main branch\"") <= 2 * std::sqrt(2.0) + 0.01);
  CHECK(radius95(csv, "\"FPA d9, dilated branch\"") <= 18 * std::sqrt(2.0) + 0.01);
  CHECK(radius95(csv, "\"FPA d9, dilated branch\"") > 18);  // nine points: more than 5 % of the energy in the corners
  CHECK(radius95(csv, "\"fpa stage1, dilated branch\"") > radius95(csv, "\"fpa stage1, main branch\""));
}

TEST_CASE("what explain cannot do it says, with code 2", "[apps]") {
  PAM_SKIP_WITHOUT("explain");
  const TempDir folder;
  const auto small = explain({"receptive-field", "--nets", "rfna", "--width", "4", "--size", "32", "--samples", "1",
                              "--out", (folder / "rf").string()});
  CHECK(small.code == 2);
  CHECK_THAT(small.err, Contains("--size 32: rfna takes at least 65 pixels per side"));
  const auto nothing = explain({});
  CHECK(nothing.code == 2);
  const auto missing = explain({"maps", "--weights", (folder / "none.pt").string(), "--input", "x.png", "--out", "o"});
  CHECK(missing.code == 2);
  CHECK_THAT(missing.err, Contains("none.pt"));
}

TEST_CASE("explain stops at weights and activations that are not finite, naming them", "[apps]") {
  PAM_SKIP_WITHOUT("explain");
  const TempDir folder;
  write_nifti(folder / "scan.nii", torch::rand({2, 40, 40}));
  const auto refused = [&](const char* what, const char* name, double value) {
    torch::manual_seed(5);
    Network net("fpa", UNet<FalsePositiveAttention>(UNetOptions<FalsePositiveAttention>(1, 1).width(4)));
    torch::NoGradGuard no_grad;
    auto weight = find_tensor(state_dict(*net), name);
    value > 1 && std::isfinite(value) ? weight.mul_(value) : weight.view(-1)[0].fill_(value);
    const auto path = (folder / "net.safetensors").string();
    save_weights(*net, path, {{"pam.net", net.options().dump()}, {"pam.reversed", "false"}});
    std::vector<std::string> words{what, "--weights", path, "--out", (folder / "out").string()};
    if (std::string(what) == "maps") words.insert(words.end(), {"--input", (folder / "scan.nii").string()});
    if (std::string(what) != "maps") words.insert(words.end(), {"--size", "64", "--samples", "1"});
    const auto done = explain(words);
    CHECK(done.code == 2);
    return done.err;
  };
  for (const char* what : {"maps", "receptive-field"}) {
    CAPTURE(what);
    CHECK_THAT(refused(what, "head.weight", NAN), Contains("net.safetensors: the tensor 'head.weight' holds 1 of"));
    CHECK_THAT(refused(what, "stem.conv1.conv.weight", INFINITY), Contains("the tensor 'stem.conv1.conv.weight'"));
  }
  CHECK_THAT(refused("maps", "stem.conv1.conv.weight", 1e38), Contains("case scan with fpa: slice 0 (of 2"));
  CHECK_THAT(refused("receptive-field", "stem.conv1.conv.weight", 1e38),
             Contains("fpa") && Contains("net.safetensors"));
}

TEST_CASE("explain takes the network's name, section and prefix of weights from Python", "[apps]") {
  PAM_SKIP_WITHOUT("explain");
  const TempDir folder;
  write_nifti(folder / "scan.nii", torch::rand({2, 40, 40}));
  torch::manual_seed(5);
  const Network fpa("fpa", UNet<FalsePositiveAttention>(UNetOptions<FalsePositiveAttention>(1, 1).width(4)));
  StateDict tensors;
  for (const char* prefix : {"model.", "ema."}) {
    for (const auto& [name, tensor] : state_dict(*fpa)) tensors.emplace_back(prefix + name, tensor);
  }
  write_torch_zip(folder / "a.pt", tensors, {});
  write_torch_zip(folder / "b.pt", state_dict(*fpa), {});
  const auto maps = [&](const char* second, std::vector<std::string> more) {
    const std::vector<std::string> words{"maps",
                                         "--weights",
                                         (folder / "a.pt").string(),
                                         (folder / second).string(),
                                         "--input",
                                         (folder / "scan.nii").string(),
                                         "--out",
                                         (folder / "out").string()};
    more.insert(more.begin(), words.begin(), words.end());
    return explain(more);
  };
  CHECK_THAT(maps("b.pt", {}).err, Contains("--net, such as"));
  CHECK_THAT(maps("b.pt", {"--net", "fpa"}).err, Contains("--key-prefix"));
  CHECK_THAT(maps("b.pt", {"--net", "fpa", "fpa", "fpa"}).err, Contains("--net has 3 values for 2 files of --weights"));
  CHECK_THAT(maps("b.pt", {"--net", "fpa", "--key-prefix", "ema."}).err,
             Contains("b.pt: has no name that begins with 'ema.'"));
  const auto done = maps("a.pt", {"--net", "fpa", "fpa", "--key-prefix", "ema.", "model."});
  INFO(done.err);
  CHECK(done.code == 0);
  CHECK_THAT(done.err, Contains("a.pt: 'ema.' was taken off the front of all names"));
}

}  // namespace apps_explain_test
