// SPDX-License-Identifier: MIT
// Every network of the zoo against python/pam_torch.py, both ways: Python's weights, outputs and gradients in C++, and
// C++'s in Python.
#include "parity/golden_compare.hpp"
#include "support/catch.hpp"
#include "support/convolution_scope.hpp"
#include "support/files.hpp"
#include "support/python.hpp"

#include <cstdlib>
#include <fstream>
#include <iostream>

namespace parity_pam_torch_test {

using namespace pam;
using namespace pam::test;
using Json = nlohmann::json;

/// Runs python/pam_torch.py; its output goes into `log`. True where it exits with 0.
bool pam_torch(const std::string& arguments, const std::filesystem::path& log) {
  const auto script = std::filesystem::path(PAM_SOURCE_DIR) / "python" / "pam_torch.py";
  const auto command =
      fmt::format("OMP_NUM_THREADS=1 '{}' '{}' {} > '{}' 2>&1", python(), script.string(), arguments, log.string());
  return std::system(command.c_str()) == 0;
}

/// The original constants of each baseline's attention, and options that no name of the zoo has.
Json variants() {
  return Json::parse(R"([
    {"name": "aunet", "skips": {"gate": {"theta_stride": 2, "theta_bias": false, "norm": false, "residual": false,
                                         "output": true, "kaiming_init": true}}},
    {"name": "aunet", "skips": [{"gated": false}, {}, {"gate": {"reduction": 1}}]},
    {"name": "cscunet", "stem": {"attention": {"bias": true, "fusion": "max", "reduction": 2}}},
    {"name": "cscunet", "stages": {"attention": {"residual": true}}},
    {"name": "cbamunet", "stem": {"attention": {"bias": true, "kernel_size": 7, "max_first": true, "residual": false,
                                                "spatial_norm": true}}},
    {"name": "gcnunet", "stem": {"attention": {"bias": true, "fusion": "add", "kaiming_init": true, "reduction": 2,
                                               "residual": false, "zero_init": true}}},
    {"name": "gcnunet", "bridge": {"attention": {"fusion": "scale", "norm": "none"}}},
    {"name": "fpa", "stages": {"share_weights": false, "dilation": 3}, "bridge": {"identity": false}},
    {"name": "fpa", "stages": [{"branch": false}, {}, {}]},
    {"name": "rfna", "reversed": false, "classes": 3, "stages": {"identity": false}},
    {"name": "rfna", "stages": {"ratio": 1, "input": "input", "expand_norm": false, "residual": true,
                                "share_weights": false, "expansion": 4}},
    {"name": "rfna", "stages": {"ratio": 4, "share_weights": false}, "bridge": {"ratio": 2, "expand_norm": false}},
    {"name": "rfna_r4_full_e2", "stages": {"prune_convolutions": false, "share_weights": false}},
    {"name": "rfna", "stages": {"ratio": 2, "prune_convolutions": false, "residual": true, "share_weights": false}},
    {"name": "unet", "depth": 4, "classes": 4},
    {"name": "d9unet", "depth": 1}
  ])");
}

/// Every net of the zoo, and the variants, small.
Json all_nets() {
  auto list = Json::array();
  for (const auto& name : network_names()) list.push_back({{"name", name}});
  for (const auto& variant : variants()) list.push_back(variant);
  for (auto& item : list) item["in_channels"] = 3, item["width"] = 4;
  return list;
}

TEST_CASE("Python's networks have C++'s parameter names, outputs and gradients", "[parity]") {
  if (!python_has("torch")) PAM_SKIP("needs Python with torch (Debian: python3-torch)");
  const TempDir folder;
  const auto nets = all_nets();
  std::ofstream(folder / "nets.json") << nets.dump();
  const auto made = pam_torch(
      fmt::format("--net '{0}/nets.json' --golden '{0}/golden' --batch 2", folder.path().string()), folder / "log");
  INFO(text_of(folder / "log"));
  REQUIRE(made);
  const auto files = golden_files(folder / "golden");
  REQUIRE(files.size() == nets.size());
  for (const auto& file : files) {
    const auto row = compare_golden(file);
    INFO(row.text());
    CHECK(row.passed());
  }
}

/// The gradients of sum(net(x) * target), input first.
std::vector<torch::Tensor> gradients(const Network& net, torch::Tensor x, const torch::Tensor& target) {
  x = x.detach().clone().requires_grad_();
  net->zero_grad();
  (net(x) * target).sum().backward();
  std::vector<torch::Tensor> list{x.grad()};
  for (const auto& p : net->parameters()) list.push_back(p.grad().clone());
  return list;
}

/// Whether no ReLU is so close to zero that the last places of the input decide about it: Python rounds differently.
bool steady(const Network& net, const torch::Tensor& x, const torch::Tensor& target) {
  const auto here = gradients(net, x, target);
  for (int i = 0; i < 8; ++i) {
    const auto there = gradients(net, x * (1 + torch::randint(-32, 33, x.sizes()) * 1.1920929e-7), target);
    // A step of 4e-6 moves a smooth gradient by about 2e-5; a ReLU that changes sides moves it by 1e-3.
    if ((here[0] - there[0]).abs().max().item<double>() > 1e-4 * here[0].abs().max().item<double>()) return false;
  }
  return true;
}

/// The golden file of a net that C++ built.
void write_golden(const Network& net, const std::filesystem::path& path) {
  {
    torch::NoGradGuard no_grad;
    for (auto& p : net->parameters()) {
      if (p.dim() <= 1) p.normal_(0.5, 0.3);  // norms and biases, which start at 1 and 0
    }
  }
  StateDict tensors;  // before training mode moves the buffers
  for (const auto& [name, tensor] : state_dict(*net)) tensors.emplace_back("param." + name, tensor.clone());
  const auto side = std::max<std::int64_t>(net.min_size() + 4, 22);
  torch::Tensor x, target;
  do {
    x = torch::randn({2, net.in_channels(), side, side + 3});
    target = torch::randn({2, net.classes(), side, side + 3});
  } while (!steady(net, x, target));
  const auto found = gradients(net, x, target);
  tensors.insert(tensors.end(),
                 {{"input.0", x}, {"output", net(x).detach()}, {"target", target}, {"grad.input.0", found[0]}});
  const auto names = net->named_parameters().keys();
  for (std::size_t i = 0; i < names.size(); ++i) tensors.emplace_back("grad.param." + names[i], found[i + 1]);
  write_safetensors(path, tensors, {{"pam.net", net.options().dump()}});
}

TEST_CASE("C++'s networks have Python's outputs and gradients", "[parity]") {
  if (!python_has("torch")) PAM_SKIP("needs Python with torch (Debian: python3-torch)");
  const ConvolutionScope direct(kernels::Convolution::Direct);  // the bound is that of plain sums of products
  const TempDir folder;
  std::string files;
  const auto nets = all_nets();
  for (std::size_t i = 0; i < nets.size(); ++i) {
    const auto path = folder / fmt::format("{:02}_{}.safetensors", i, nets[i]["name"].get<std::string>());
    torch::manual_seed(static_cast<std::uint64_t>(i));
    write_golden(network_from_json(nets[i]), path);
    files += fmt::format(" '{}'", path.string());
  }
  // Twice the golden bound: here both sides round on the machine that runs the test, whichever that is.
  const auto agreed = pam_torch("--bound 2e-5 --check" + files, folder / "log");
  INFO(text_of(folder / "log"));
  REQUIRE(agreed);
}

TEST_CASE("pam_torch.py counts the parameters as C++ does", "[parity]") {
  if (!python_has("torch")) PAM_SKIP("needs Python with torch (Debian: python3-torch)");
  const TempDir folder;
  REQUIRE(pam_torch("--list --width 2", folder / "log"));
  std::ifstream log(folder / "log");
  std::string name;
  std::int64_t count = 0;
  std::vector<std::string> listed;
  while (log >> name >> count) {
    CAPTURE(name);
    listed.push_back(name);
    std::int64_t ours = 0;
    for (const auto& p : build_network({name, 4, 1, 2})->parameters()) ours += p.numel();
    REQUIRE(count == ours);
  }
  REQUIRE(listed == network_names());
}

TEST_CASE("pam_torch.py says what is wrong with a description or a file", "[parity]") {
  if (!python_has("torch")) PAM_SKIP("needs Python with torch (Debian: python3-torch)");
  const TempDir folder;
  const auto refused = [&](const std::string& arguments) {
    REQUIRE(!pam_torch(arguments, folder / "log"));
    return text_of(folder / "log");
  };
  REQUIRE_THAT(refused("--net vnet"), Catch::Contains("no network 'vnet'"));
  REQUIRE_THAT(refused("--net fpa --options '{\"widht\": 3}'"), Catch::Contains("no option 'widht'"));
  write_safetensors(folder / "anonymous.safetensors", {{"a", torch::zeros({2})}}, {});
  REQUIRE_THAT(refused(fmt::format("--weights '{}'", (folder / "anonymous.safetensors").string())),
               Catch::Contains("does not say which net"));
  // A flag of reversed labels that contradicts the net would invert every mask.
  const auto net = build_network({"rfna", 3, 1, 2});
  for (const std::string name : {"lie.safetensors", "lie.pt"}) {
    CAPTURE(name);
    const auto file = folder / name;
    const auto write = [&](const std::string& flag) {
      const Metadata metadata{{"pam.net", net.options().dump()}, {"pam.reversed", flag}};
      file.extension() == ".pt" ? write_torch_zip(file, state_dict(*net), metadata)
                                : write_safetensors(file, state_dict(*net), metadata);
      return fmt::format("--weights '{}'", file.string());
    };
    REQUIRE_THAT(refused(write("false")), Catch::Contains("reversed = True") && Catch::Contains("invert"));
    REQUIRE_THAT(refused(write("True")), Catch::Contains("must be true or false"));
    REQUIRE_THAT(refused(write("true") + " --reversed false"), Catch::Contains("the caller says otherwise"));
    REQUIRE(pam_torch(write("true"), folder / "log"));
  }
  // A file that does not say it is refused as in C++, whatever its pam.net says.
  write_safetensors(folder / "silent.safetensors", state_dict(*net), {{"pam.net", net.options().dump()}});
  const auto silent = fmt::format("--weights '{}'", (folder / "silent.safetensors").string());
  REQUIRE_THAT(refused(silent), Catch::Contains("no pam.reversed") && Catch::Contains("--reversed"));
  REQUIRE(pam_torch(silent + " --reversed true", folder / "log"));
  std::ofstream(folder / "short.safetensors") << "123";
  REQUIRE_THAT(refused(fmt::format("--weights '{}'", (folder / "short.safetensors").string())),
               Catch::Contains("cut short"));
}

TEST_CASE("what a file says of its images survives pam_torch.py", "[parity]") {
  if (!python_has("torch")) PAM_SKIP("needs Python with torch (Debian: python3-torch)");
  const TempDir folder;
  const auto net = build_network({"unet", 1, 1, 2});
  const Metadata images{{"pam.input", R"({"normalise": "zscore-all", "axes": "RAS"})"},
                        {"pam.spacing", "[[1,1],[1,1],[1,2]]"},
                        {"pam.modalities", R"(["t1"])"}};
  auto all = images;
  all["pam.net"] = net.options().dump();
  save_weights(net, folder / "cpp.safetensors", all);
  for (const std::string name : {"python.safetensors", "python.pt"}) {
    CAPTURE(name);
    const auto saved = pam_torch(
        fmt::format("--weights '{}' --save '{}'", (folder / "cpp.safetensors").string(), (folder / name).string()),
        folder / "log");
    INFO(text_of(folder / "log"));
    REQUIRE(saved);
    const auto metadata = read_weights(folder / name).metadata;
    for (const auto& [key, value] : images) CHECK(metadata.at(key) == value);
    CHECK(metadata.at("pam.reversed") == "false");
  }
}

}  // namespace parity_pam_torch_test
