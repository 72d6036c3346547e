// SPDX-License-Identifier: MIT
#include <pam/inference/pretrained.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"

#include <pam/inference/predictor.hpp>
#include <pam/weights/safetensors.hpp>

#include <cstdlib>
#include <filesystem>
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
  preparation.normalise = Normalise::ZScore;
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
    REQUIRE(loaded.preparation->normalise == Normalise::ZScore);
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
  REQUIRE(folders.size() == 3);
  REQUIRE(folders[0] == folder.path());
  const std::filesystem::path source = PAM_SOURCE_DIR;
  REQUIRE(folders[1] == source / "share" / "pam" / "weights");  // the headers' include/ lies beside share/
  REQUIRE(folders[2] == source / "weights");
}

}  // namespace inference_pretrained_test
