// SPDX-License-Identifier: MIT
/// `load_weights` and `save_weights`: a module's parameters and buffers by name, to and from `.safetensors` and
/// Python's
/// `.pt`/`.pth`. Loading compares every name and shape both ways before it touches anything.
#pragma once

#include <pam/core/error.hpp>
#include <pam/core/nearest.hpp>
#include <pam/core/version.hpp>
#include <pam/weights/load_report.hpp>
#include <pam/weights/safetensors.hpp>
#include <pam/weights/state_dict.hpp>
#include <pam/weights/torch_zip.hpp>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace pam {

/// How `load_weights` matches a file with a module.
struct LoadOptions {
  /// Throw unless the file and the module have exactly the same names and shapes. False: load what fits and report.
  bool strict = true;
  /// The module's name for a file's name; an empty result leaves the entry out. Gets names without `module.` and
  /// `_orig_mod.`. Default: the names as they are.
  std::function<std::string(const std::string&)> key_map;
  /// `.pt` only: the key of a checkpoint under which the weights lie. Default: found by itself (`read_torch_zip`).
  std::string section;
  /// The module is a net that can be trained on reversed labels: the file or `reversed` must then say which it is.
  bool can_be_reversed = false;
  /// What the caller knows about it, for files that do not say. A contradiction of the file is an error.
  std::optional<bool> reversed;
};

/// Reads `path` in whichever format its content has, not its name. `section`: see `LoadOptions`.
/// Throws `Error` for unknown formats, with the remedy for those that Python wrote.
[[nodiscard]] inline WeightsFile read_weights(const std::filesystem::path& path, const std::string& section = {}) {
  const auto bytes = FileBytes::map(path);
  const std::string_view text(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  const auto begins = [&](std::string_view magic) { return text.substr(0, magic.size()) == magic; };
  if (begins("PK\x03\x04") || begins("PK\x05\x06")) return detail::parse_torch_zip(bytes, section);
  check(!begins("version https://git-lfs"), "{}: is a Git LFS pointer, not the file itself; run `git lfs pull`",
        path.string());
  // A safetensors header of 128, 384, … bytes begins with a pickle's 0x80 too; its '{' at byte 8 tells them apart.
  const bool has_header = text.size() > 8 && text[8] == '{';
  check(!begins("\x80") || has_header,
        "{}: is a Python pickle without the zip container (torch.save before PyTorch 1.6, or another program); run "
        "tools/export_weights.py on it in Python",
        path.string());
  check(has_header || path.extension() == ".safetensors",
        "{}: is neither a safetensors file nor one of torch.save; run tools/export_weights.py on it in Python",
        path.string());
  return detail::parse_safetensors(bytes);
}

namespace detail {

/// `name` without the wrappers that torch.nn.DataParallel and torch.compile put into it.
inline std::string unwrapped_name(std::string name) {
  constexpr std::string_view kParallel = "module.", kCompiled = "_orig_mod.";
  for (bool found = true; found;) {
    found = false;
    if (name.compare(0, kParallel.size(), kParallel) == 0) {
      name.erase(0, kParallel.size());
      found = true;
    }
    const auto at = name.find(kCompiled);
    if (at != std::string::npos && (at == 0 || name[at - 1] == '.')) {
      name.erase(at, kCompiled.size());
      found = true;
    }
  }
  return name;
}

/// Whether a file's values keep their meaning in `type`: rounding a fraction is fine, turning it into an integer or
/// bool is not. (C++'s `Module::to(kDouble)` turns integer buffers into doubles too, so the types alone do not decide.)
inline bool converts(const torch::Tensor& tensor, torch::ScalarType type) {
  const auto from = tensor.scalar_type();
  if (from == type || (c10::isFloatingType(from) && c10::isFloatingType(type))) return true;
  return torch::equal(tensor.to(type).to(from), tensor);
}

/// The file's tensors under the module's names. Throws where two of them end up under one name.
inline StateDict renamed(const std::string& file, const StateDict& from_file,
                         const std::unordered_map<std::string, torch::Tensor>& targets, const LoadOptions& options) {
  StateDict tensors;
  std::unordered_map<std::string, std::string> origins;
  for (const auto& [original, tensor] : from_file) {
    auto name = targets.count(original) > 0 ? original : unwrapped_name(original);
    if (options.key_map) name = options.key_map(name);
    if (name.empty()) continue;
    const auto [place, added] = origins.emplace(name, original);
    check(added, "{}: '{}' and '{}' both become '{}'; give a key_map that keeps them apart", file,
          printable(place->second), printable(original), printable(name));
    tensors.emplace_back(std::move(name), tensor);
  }
  return tensors;
}

/// Whether the weights are of reversed labels, from the file and the caller.
inline std::optional<bool> find_reversed(const std::string& file, const Metadata& metadata,
                                         const LoadOptions& options) {
  std::optional<bool> reversed = options.reversed;
  const auto noted = metadata.find("pam.reversed");
  if (noted != metadata.end()) {
    check(noted->second == "true" || noted->second == "false",
          "{}: its metadata say pam.reversed = '{}'; it must be 'true' or 'false'", file, printable(noted->second));
    const bool file_says = noted->second == "true";
    check(!reversed.has_value() || *reversed == file_says,
          "{}: its metadata say pam.reversed = {}, the caller says {}; leave out --reversed, in code "
          "LoadOptions::reversed, to follow the "
          "file",
          file, noted->second, options.reversed.value_or(false));
    reversed = file_says;
  }
  check(!options.can_be_reversed || reversed.has_value(),
        "{}: does not say whether its weights were trained on reversed labels (no pam.reversed in its metadata), and "
        "this "
        "net can be trained either way; say which: --reversed yes or no, in code LoadOptions::reversed",
        file);
  return reversed;
}

}  // namespace detail

/// Copies `tensors` into the parameters and buffers of `module`, matched by name, keeping the module's device and type
/// (float16 in the file becomes float32 in a float32 module; fractions never become integers). `file` is what messages
/// call the source. Nothing is touched unless everything that `options` ask for fits; throws `Error` with the whole
/// report otherwise.
inline LoadReport load_state_dict(torch::nn::Module& module, const WeightsFile& weights, const std::string& file,
                                  const LoadOptions& options = {}) {
  LoadReport report;
  report.reversed = detail::find_reversed(file, weights.metadata, options);
  report.metadata = weights.metadata;
  const auto wanted = state_dict(module);
  const std::unordered_map<std::string, torch::Tensor> targets(wanted.begin(), wanted.end());
  const auto given = detail::renamed(file, weights.tensors, targets, options);
  const std::unordered_map<std::string, torch::Tensor> sources(given.begin(), given.end());

  for (const auto& [name, tensor] : given) {
    const auto target = targets.find(name);
    if (target == targets.end()) {
      report.unexpected.push_back({name, {}});
    } else if (target->second.sizes() != tensor.sizes() || !detail::converts(tensor, target->second.scalar_type())) {
      report.mismatched.push_back({name, tensor.sizes().vec(), target->second.sizes().vec(), tensor.scalar_type(),
                                   target->second.scalar_type()});
    } else {
      report.loaded.push_back(name);
    }
  }
  for (const auto& [name, tensor] : wanted) {
    if (sources.count(name) == 0) report.missing.push_back({name, {}});
  }
  report.find_nearest();
  const auto net = weights.metadata.find("pam.net");
  const auto options_of_file =
      net == weights.metadata.end() ? "" : "\nThe file's options: " + detail::printable(net->second);
  check(!options.strict || report.complete(), "{}: does not fit this net.\n{}{}", file, report.text(), options_of_file);
  check(!report.loaded.empty() || wanted.empty(), "{}: none of its tensors fits this net.\n{}{}", file, report.text(),
        options_of_file);

  torch::NoGradGuard no_grad;
  for (const auto& name : report.loaded) {
    auto target = targets.at(name);
    target.copy_(sources.at(name));
  }
  return report;
}

/// Loads the weights in `path` (`.safetensors`, `.pt`, `.pth`; the content decides, not the name) into `module`.
/// Strict by default: every parameter and buffer must be in the file with its shape, and nothing else may be.
/// Throws `Error` naming what is missing, unexpected or of another shape, with nearest names and the remedy; the module
/// is then as it was. Example: `pam::load_weights(*net, "unet.pt").text()` says what was loaded.
inline LoadReport load_weights(torch::nn::Module& module, const std::filesystem::path& path,
                               const LoadOptions& options = {}) {
  return load_state_dict(module, read_weights(path, options.section), path.string(), options);
}

/// Saves the parameters and buffers of `module` to `path`, atomically, in the format of its extension: `.safetensors`,
/// `.pt` or `.pth`. `metadata` gets "pam.version" (and, in safetensors, "format") unless it has them; give it "pam.net"
/// (the net's JSON options) and, for nets that can be reversed, "pam.reversed" ("true" or "false").
/// Throws `Error` for another extension and where `path` cannot be written.
inline void save_weights(const torch::nn::Module& module, const std::filesystem::path& path,
                         const Metadata& metadata = {}) {
  auto noted = metadata;
  noted.emplace("pam.version", PAM_VERSION);
  const auto extension = path.extension();
  check(extension == ".safetensors" || extension == ".pt" || extension == ".pth",
        "{}: weights are saved as .safetensors, .pt or .pth; got the extension '{}'", path.string(),
        extension.string());
  if (extension == ".safetensors") {
    write_safetensors(path, state_dict(module), noted);
  } else {
    write_torch_zip(path, state_dict(module), noted);
  }
}

}  // namespace pam
