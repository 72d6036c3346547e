// SPDX-License-Identifier: MIT
/// Weights from Python into a network of pam, and back out; docs/weights.md walks through it.
///
///   load_python_weights WEIGHTS IMAGE SAVED LOGITS [OPTIONS [REVERSED]]
///
/// WEIGHTS: .pt, .pth or .safetensors from Python. IMAGE: a .safetensors with the tensor "image", (N, C, H, W).
/// SAVED: where the weights go, .safetensors or .pt. LOGITS: where the network's answer goes, .safetensors.
/// OPTIONS: the network as JSON, {"name": "fpa", "in_channels": 4}, where WEIGHTS does not say. REVERSED: true or
/// false, where WEIGHTS does not say whether an RFNA was trained on reversed labels.
#include <pam/nets/zoo.hpp>
#include <pam/weights/weights.hpp>

#include <iostream>
#include <string>
#include <vector>

namespace {

/// The network that the weights are of: what the command line says, else what the file says about itself.
pam::Network network_of(const pam::Metadata& metadata, const std::string& file,
                        const std::vector<std::string>& arguments) {
  const auto noted = metadata.find("pam.net");
  const bool told = arguments.size() > 4;
  pam::check(told || noted != metadata.end(),
             "{}: does not say which network it is of; give it as JSON: '{{\"name\": \"fpa\", \"in_channels\": 4}}'",
             file);
  const auto json = nlohmann::json::parse(told ? arguments[4] : noted->second, nullptr, /*allow_exceptions=*/false);
  pam::check(!json.is_discarded(), "{}: the network's description is not JSON", told ? "OPTIONS" : file);
  return pam::network_from_json(json, told ? "OPTIONS" : file + ": pam.net");
}

int run(const std::vector<std::string>& arguments) {
  const auto &weights = arguments[0], &image = arguments[1], &saved = arguments[2], &answer = arguments[3];
  auto net = network_of(pam::read_weights(weights).metadata, weights, arguments);

  pam::LoadOptions options;  // strict: every name and shape must match, or nothing is touched
  options.can_be_reversed = net.reversed();
  if (arguments.size() > 5) options.reversed = arguments[5] == "true";
  const auto report = pam::load_weights(*net, weights, options);
  std::cout << net.name() << ": " << report.text() << "\n";

  const auto x = pam::find_tensor(pam::read_safetensors(image).tensors, "image");
  pam::check(x.defined(), "{}: there is no tensor called 'image'", image);
  torch::NoGradGuard no_grad;
  net->eval();
  pam::write_safetensors(answer, {{"image", net(x)}});

  pam::save_weights(
      *net, saved,
      {{"pam.net", net.options().dump()}, {"pam.reversed", report.reversed.value_or(false) ? "true" : "false"}});
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
