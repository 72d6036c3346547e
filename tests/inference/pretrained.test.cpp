// SPDX-License-Identifier: MIT
#include <pam/inference/pretrained.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"

#include <pam/inference/predictor.hpp>
#include <pam/inference/preparation.hpp>
#include <pam/weights/safetensors.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace inference_pretrained_test {
using namespace pam;
using Catch::Contains;
using test::TempDir;

/// PAM_WEIGHTS_DIR for the time of a test.
class WeightsFolder {
 public:
  explicit WeightsFolder(const std::filesystem::path& folder) {
    if (const char* named = std::getenv("PAM_WEIGHTS_DIR")) before_ = named;
    setenv("PAM_WEIGHTS_DIR", folder.c_str(), 1);
  }
  WeightsFolder(const WeightsFolder&) = delete;
  WeightsFolder& operator=(const WeightsFolder&) = delete;
  ~WeightsFolder() {
    if (before_.empty()) {
      unsetenv("PAM_WEIGHTS_DIR");
    } else {
      setenv("PAM_WEIGHTS_DIR", before_.c_str(), 1);
    }
  }

 private:
  std::string before_;
};

/// A tiny net, saved as float16.
Network save_half(const std::string& name, const std::filesystem::path& path) {
  torch::manual_seed(3);
  NetworkSpec spec{name, 1, 1};
  spec.width = 4;
  auto net = build_network(spec);
  net->eval();
  CaseOptions preparation;
  preparation.normalise = Normalise::ZScoreNonzero;
  save_network(net, path, {preparation, {}});
  auto file = read_safetensors(path);
  for (auto& [key, tensor] : file.tensors) tensor = tensor.to(torch::kHalf);
  write_safetensors(path, file.tensors, file.metadata);
  torch::NoGradGuard no_grad;
  for (auto& parameter : net->parameters()) parameter.copy_(parameter.to(torch::kHalf).to(torch::kFloat));
  return net;
}

TEST_CASE("pretrained weights are found by name, and float16 becomes the float32 that it stands for", "[inference]") {
  const TempDir folder;
  const WeightsFolder weights(folder.path());
  const torch::NoGradGuard no_grad;
  for (const std::string name : {"unet", "rfna"}) {
    CAPTURE(name);
    const auto net = save_half(name, folder / ("tiny_" + name + ".safetensors"));
    REQUIRE(pretrained_path("tiny_" + name) == folder / ("tiny_" + name + ".safetensors"));
    const auto loaded = pretrained("tiny_" + name);
    REQUIRE((loaded.net.name() == name && loaded.net.reversed() == net.reversed() && !loaded.net->is_training()));
    REQUIRE(loaded.preparation->normalise == Normalise::ZScoreNonzero);
    const auto expected = net->named_parameters();
    for (const auto& item : loaded.net->named_parameters()) {
      CAPTURE(item.key());
      REQUIRE(item.value().scalar_type() == torch::kFloat);
      REQUIRE(torch::equal(item.value(), expected[item.key()]));  // every float16 is a float32
    }
    const auto image = torch::rand({1, 1, 72, 72});
    REQUIRE(torch::equal(loaded.net(image), net(image)));  // the same weights, the same computation
  }
}

TEST_CASE("weights that are not there give the names and the folders", "[inference]") {
  const TempDir folder;
  const WeightsFolder weights(folder.path());
  for (const char* name : {"tiny_fpa", "tiny_unet"})
    write_safetensors(folder / (std::string(name) + ".safetensors"), {});
  REQUIRE_THROWS_WITH(pretrained("tiny_fpc"), Contains("\"tiny_fpc\"") && Contains("did you mean tiny_fpa?") &&
                                                  Contains("tiny_fpa, tiny_unet") && Contains(folder.path().string()) &&
                                                  Contains("share/pam/weights") && Contains("PAM_WEIGHTS_DIR"));
  for (const char* wrong : {"", "../tiny_fpa", "tiny_fpa.safetensors", "/tmp/tiny_fpa"}) {
    REQUIRE_THROWS_WITH(pretrained(wrong), Contains("is no name of weights") && Contains("load_network takes a path"));
  }
}

TEST_CASE("PAM_WEIGHTS_DIR comes first, then the installation and the source tree of the headers", "[inference]") {
  const TempDir folder;
  const WeightsFolder weights(folder.path());
  const auto folders = pretrained_folders();
  REQUIRE(folders.size() == 4);
  REQUIRE(folders[0] == folder.path());
  // This test program is PREFIX/bin/pam_tests.
  const auto program = std::filesystem::canonical("/proc/self/exe");
  REQUIRE(folders[1] == program.parent_path().parent_path() / "share" / "pam" / "weights");
  const std::filesystem::path source = PAM_SOURCE_DIR;
  REQUIRE(folders[2] == source / "share" / "pam" / "weights");  // the headers' include/ lies beside share/
  REQUIRE(folders[3] == source / "weights");
}

TEST_CASE("Each model that pam comes with loads by its name and gives the logits of its card", "[inference]") {
  const auto folder = std::filesystem::path(PAM_SOURCE_DIR) / "weights";
  // The input of the cards' "example"; tools/pretrained.py computes the same with PyTorch, and the logits from it.
  const auto grid = torch::meshgrid({torch::arange(80, torch::kDouble), torch::arange(80, torch::kDouble)}, "ij");
  const auto &y = grid[0], &x = grid[1];
  const auto disc = [&](double cy, double cx, double width) {
    return torch::exp(-((y - cy).square() + (x - cx).square()) / (2 * width * width));
  };
  const auto image =
      (2 * disc(34, 30, 5) - 1.5 * disc(50, 52, 7) + (x - y) / 80).to(torch::kFloat).view({1, 1, 80, 80});
  const torch::NoGradGuard no_grad;
  std::uintmax_t bytes = 0;
  for (const std::string name : {"hippocampus_unet", "hippocampus_fpa", "hippocampus_rfna"}) {
    CAPTURE(name);
    const auto card = nlohmann::json::parse(std::ifstream(folder / (name + ".json")));
    const auto loaded = pretrained(name);
    REQUIRE(loaded.net.options() == card["net"]);
    REQUIRE(loaded.net.reversed() == card["reversed"].get<bool>());
    std::int64_t parameters = 0;
    for (const auto& each : loaded.net->parameters()) parameters += each.numel();
    REQUIRE(parameters == card["parameters"].get<std::int64_t>());
    REQUIRE(preparation_to_json(*loaded.preparation) == card["input"]["preparation"]);
    REQUIRE(card["cross_validation"]["mean"]["dice"].get<double>() >= 0.87);
    bytes += std::filesystem::file_size(folder / (name + ".safetensors"));

    const auto logits = loaded.net(image)[0][0];
    const auto& example = card["example"];
    REQUIRE(example["pixels"].size() == 20);
    for (std::size_t i = 0; i < example["pixels"].size(); ++i) {
      const auto& at = example["pixels"][i];
      CAPTURE(at);
      // Logits are below 40 here; Winograd's convolutions are held to 1e-4 of the largest for whole networks.
      REQUIRE(logits[at[0].get<std::int64_t>()][at[1].get<std::int64_t>()].item<double>() ==
              Approx(example["logits"][i].get<double>()).margin(1e-3));
    }
    const auto foreground = Predictor(loaded).labels_of_planes(image).sum().item<std::int64_t>();
    REQUIRE(std::abs(foreground - example["foreground"].get<std::int64_t>()) <= 1);  // one pixel may be at p = 0.5
  }
  REQUIRE(bytes <= 8'000'000);
}

}  // namespace inference_pretrained_test
