// SPDX-License-Identifier: MIT
/// Weights from Python into a network of pam, and back out; docs/weights.md walks through it.
///
///   load_python_weights WEIGHTS IMAGE SAVED LOGITS [OPTIONS [REVERSED]]
///
/// WEIGHTS: .pt, .pth or .safetensors from Python. IMAGE: a .safetensors with the tensor "image", (N, C, H, W).
/// SAVED: where the weights go, .safetensors or .pt. LOGITS: where the network's answer goes, .safetensors.
/// OPTIONS: the network as JSON, {"name": "fpa", "in_channels": 4}, where WEIGHTS does not say. REVERSED: true or
/// false, where WEIGHTS does not say whether an RFNA was trained on reversed labels.
#include <pam/inference/load_network.hpp>

#include <iostream>
#include <string>
#include <vector>

namespace {

int run(const std::vector<std::string>& arguments) {
  const auto &weights = arguments[0], &image = arguments[1], &saved = arguments[2], &answer = arguments[3];
  pam::LoadNetworkOptions how;
  if (arguments.size() > 4) {
    how.options = nlohmann::json::parse(arguments[4], nullptr, /*allow_exceptions=*/false);
    pam::check(how.options.is_object() && how.options.contains("name"),
               "OPTIONS: must be JSON such as {{\"name\": \"fpa\", \"in_channels\": 4}}, got {}", arguments[4]);
    how.net = how.options["name"].get<std::string>();
  }
  if (arguments.size() > 5) {
    how.reversed = arguments[5] == "true";
    pam::check(*how.reversed || arguments[5] == "false", "REVERSED: must be true or false, got {}", arguments[5]);
  }
  // Strict: every name and shape must match. The network is in eval mode.
  const auto loaded = pam::load_network(weights, how);
  std::cout << loaded.net.name() << ": " << loaded.report.text() << "\n";

  const auto x = pam::find_tensor(pam::read_safetensors(image).tensors, "image");
  pam::check(x.defined(), "{}: there is no tensor called 'image'", image);
  torch::NoGradGuard no_grad;
  pam::write_safetensors(answer, {{"image", loaded.net(x)}});
  pam::save_network(loaded.net, saved, {loaded.preparation, {}});
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() < 4 || arguments.size() > 6) {
    std::cerr << "usage: load_python_weights WEIGHTS IMAGE SAVED LOGITS [OPTIONS [REVERSED]]\n";
    return 2;
  }
  try {
    return run(arguments);
  } catch (const pam::Error& error) {
    std::cerr << error.what() << "\n";
    return 2;
  }
}
