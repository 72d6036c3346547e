// SPDX-License-Identifier: MIT
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/nearest.hpp>
#include <pam/core/version.hpp>
#include <pam/weights/detail/unwrapped_name.hpp>
#include <pam/weights/weights.hpp>

#include <algorithm>
#include <array>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace pam {

PAM_FUNC WeightsFile read_weights(const std::filesystem::path& path, const std::string& section) {
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
        "export_weights.py on it in Python",
        path.string());
  check(has_header || path.extension() == ".safetensors",
        "{}: is neither a safetensors file nor one of torch.save; run export_weights.py on it in Python",
        path.string());
  check(section.empty(),
        "{}: is a safetensors file, which has no sections such as '{}'; leave out LoadOptions::section", path.string(),
        section);
  return detail::parse_safetensors(bytes);
}

namespace detail {

PAM_FUNC std::string unwrapped_name(std::string name) {
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
PAM_FUNC bool converts(const torch::Tensor& tensor, torch::ScalarType type) {
  const auto from = tensor.scalar_type();
  if (from == type || (c10::isFloatingType(from) && c10::isFloatingType(type))) return true;
  return torch::equal(tensor.to(type).to(from), tensor);
}

/// Throws, naming the tensor of the file, unless all of its values are finite numbers of `type` too.
PAM_FUNC void check_finite(const std::string& file, const std::string& name, const torch::Tensor& tensor,
                           torch::ScalarType type) {
  if (tensor.numel() == 0 || !c10::isFloatingType(tensor.scalar_type()) || !c10::isFloatingType(type)) return;
  const auto values = tensor.to(type).to(torch::kDouble);
  // Largest and smallest let NaN through, and need no mask of the tensor's size. (std::isfinite: not with -ffast-math.)
  if (torch::isfinite(values.max()).item<bool>() && torch::isfinite(values.min()).item<bool>()) return;
  const auto bad = torch::isfinite(values).logical_not();
  const auto places = bad.nonzero();
  const auto first = places[0].contiguous();
  const std::vector<std::int64_t> place(first.data_ptr<std::int64_t>(), first.data_ptr<std::int64_t>() + first.numel());
  const auto value = tensor.masked_select(bad)[0].to(torch::kDouble).item<double>();
  fail(
      "{}: the tensor '{}' holds {} of {} values that are no finite {} number (the first, at [{}], is {}), so the net "
      "would predict nothing of use; the training that wrote it diverged, or the file is damaged: take an earlier "
      "checkpoint, or train again with a smaller learning rate",
      file, printable(name), places.size(0), tensor.numel(), c10::toString(type), joined(place, ", "), value);
}

/// A tensor of a file under the name that the module has for it.
struct RenamedTensor {
  std::string name, original;
  torch::Tensor tensor;
};

using ModuleTensors = std::unordered_map<std::string, torch::Tensor>;

/// Whether tensors of this name count something and carry no weights: of SWA, thop, and batch norm.
PAM_FUNC bool carries_no_weights(const std::string& name) {
  constexpr std::array<std::string_view, 4> kNames{"n_averaged", "total_ops", "total_params", "num_batches_tracked"};
  const auto dot = name.rfind('.');
  const auto last = std::string_view(name).substr(dot == std::string::npos ? 0 : dot + 1);
  return std::find(kNames.begin(), kNames.end(), last) != kNames.end();
}

/// `name` as a whole prefix: with the dot at its end.
PAM_FUNC std::string dotted(const std::string& name) { return name.empty() || name.back() == '.' ? name : name + "."; }

/// The prefix, up to a dot, that all names share and without which most of them are the module's; empty where none
/// gives more than the names have as they are. Counters, which SWA and thop put beside the net, need not share it.
PAM_FUNC std::string shared_prefix(const std::vector<RenamedTensor>& tensors, const ModuleTensors& targets) {
  constexpr int kDeepest = 16;
  std::vector<std::string_view> names;
  for (const auto& tensor : tensors) {
    if (!carries_no_weights(tensor.name)) names.emplace_back(tensor.name);
  }
  if (names.empty()) return {};
  auto shared = names.front();
  for (const auto& name : names) {
    const auto end = std::mismatch(shared.begin(), shared.end(), name.begin(), name.end()).first;
    shared = shared.substr(0, static_cast<std::size_t>(end - shared.begin()));
  }
  std::string_view best;
  std::ptrdiff_t most = 0;
  std::size_t length = 0;
  for (int depth = 0; depth < kDeepest && length != std::string_view::npos; ++depth) {
    const auto count = std::count_if(names.begin(), names.end(), [&](std::string_view name) {
      return targets.count(std::string(name.substr(length))) > 0;
    });
    if (count > most) most = count, best = shared.substr(0, length);
    const auto dot = shared.find('.', length);
    length = dot == std::string_view::npos ? dot : dot + 1;
  }
  return std::string(best);
}

/// Prefixes under which the file has every tensor of the module; at most a few.
PAM_FUNC std::vector<std::string> fitting_prefixes(const std::vector<RenamedTensor>& tensors,
                                                   const ModuleTensors& targets) {
  constexpr std::size_t kMost = 4;
  std::vector<std::string> found;
  if (targets.empty()) return found;
  std::string longest;  // few other names end in it
  for (const auto& target : targets) {
    if (std::make_pair(target.first.size(), target.first) > std::make_pair(longest.size(), longest)) {
      longest = target.first;
    }
  }
  std::unordered_set<std::string_view> names;
  for (const auto& tensor : tensors) names.insert(tensor.name);
  for (std::size_t i = 0; i < tensors.size() && found.size() < kMost; ++i) {
    const auto& name = tensors[i].name;
    if (name.size() <= longest.size() + 1 || name.compare(name.size() - longest.size(), longest.size(), longest) != 0) {
      continue;
    }
    const auto prefix = name.substr(0, name.size() - longest.size());
    if (prefix.back() == '.' && std::all_of(targets.begin(), targets.end(), [&](const auto& target) {
          return names.count(prefix + target.first) > 0;
        })) {
      found.push_back(prefix);
    }
  }
  return found;
}

/// The file's tensors under the module's names; `report` says what was done to the names. Throws where two of them end
/// up under one name.
PAM_FUNC std::vector<RenamedTensor> renamed(const std::string& file, const StateDict& from_file,
                                            const ModuleTensors& targets, const LoadOptions& options,
                                            LoadReport& report) {
  const auto begins = [&](const std::string& name) {
    return name.compare(0, report.prefix.size(), report.prefix) == 0;
  };
  std::vector<RenamedTensor> tensors;
  report.prefix = dotted(options.key_prefix);
  for (const auto& [original, tensor] : from_file) {
    auto name = begins(original) ? original : unwrapped_name(original);
    if (!begins(name)) {
      report.left_out.push_back(original);
      continue;
    }
    name.erase(0, report.prefix.size());
    if (targets.count(name) == 0) name = unwrapped_name(name);
    if (options.key_map) name = options.key_map(name);
    if (!name.empty()) tensors.push_back({std::move(name), original, tensor});
  }
  check(report.left_out.empty() || report.left_out.size() < from_file.size(),
        "{}: has no name that begins with '{}' (LoadOptions::key_prefix); its first name is '{}'", file, report.prefix,
        printable(from_file.empty() ? std::string() : from_file.front().first));
  if (options.key_prefix.empty() && !options.key_map) {
    report.prefix = shared_prefix(tensors, targets);
    for (auto& tensor : tensors) {
      if (begins(tensor.name)) tensor.name.erase(0, report.prefix.size());
    }
    if (report.prefix.empty()) report.fitting_prefixes = fitting_prefixes(tensors, targets);
  }
  std::vector<RenamedTensor> wanted;
  std::unordered_map<std::string, std::string> origins;
  for (auto& tensor : tensors) {
    if (targets.count(tensor.name) == 0 && carries_no_weights(tensor.name)) {
      report.left_out.push_back(tensor.original);
      continue;
    }
    const auto [place, added] = origins.emplace(tensor.name, tensor.original);
    check(added, "{}: '{}' and '{}' both become '{}'; give a LoadOptions::key_map that keeps them apart", file,
          printable(place->second), printable(tensor.original), printable(tensor.name));
    wanted.push_back(std::move(tensor));
  }
  return wanted;
}

PAM_FUNC std::optional<bool> noted_reversed(const std::string& file, const Metadata& metadata) {
  const auto noted = metadata.find("pam.reversed");
  if (noted == metadata.end()) return std::nullopt;
  check(noted->second == "true" || noted->second == "false",
        "{}: its metadata say pam.reversed = '{}'; it must be 'true' or 'false'", file, printable(noted->second));
  return noted->second == "true";
}

/// Whether the weights are of reversed labels, from the file and the caller, who must agree with each other and the
/// net.
PAM_FUNC std::optional<bool> find_reversed(const std::string& file, std::optional<bool> net_reversed,
                                           const Metadata& metadata, const LoadOptions& options) {
  const auto noted = noted_reversed(file, metadata);
  check(!noted || !options.reversed || *noted == *options.reversed,
        "{}: its metadata say pam.reversed = {}, but LoadOptions::reversed is {}; leave it out to follow the file",
        file, noted.value_or(false), options.reversed.value_or(false));
  const auto reversed = noted ? noted : options.reversed;
  check(reversed || !net_reversed.value_or(false),
        "{}: does not say whether its weights were trained on reversed labels (no pam.reversed in its metadata), and "
        "this net learns reversed labels; say which by LoadOptions::reversed",
        file);
  check(!reversed || !net_reversed || *reversed == *net_reversed,
        "{}: {} its weights were {} on reversed labels, but this net has reversed = {}: its masks would come out "
        "inverted; build the net with reversed({}), or let load_network build the net that the file names",
        file, noted ? "its metadata say that" : "LoadOptions::reversed says that",
        reversed.value_or(false) ? "trained" : "not trained", net_reversed.value_or(false), reversed.value_or(false));
  return reversed;
}

PAM_FUNC LoadReport load_state_dict(torch::nn::Module& module, std::optional<bool> net_reversed,
                                    const WeightsFile& weights, const std::string& file, const LoadOptions& options) {
  LoadReport report;
  report.reversed = find_reversed(file, net_reversed, weights.metadata, options);
  report.metadata = weights.metadata;
  const auto wanted = state_dict(module);
  const ModuleTensors targets(wanted.begin(), wanted.end());
  report.section = weights.section;
  report.other_sections = weights.other_sections;
  const auto given = renamed(file, weights.tensors, targets, options, report);
  report.left_out.insert(report.left_out.end(), weights.skipped.begin(), weights.skipped.end());
  std::unordered_map<std::string, torch::Tensor> sources;

  for (const auto& [name, original, tensor] : given) {
    sources.emplace(name, tensor);
    const auto target = targets.find(name);
    if (target == targets.end()) {
      report.unexpected.push_back({name, {}});
      continue;
    }
    const auto type = target->second.scalar_type();
    if (target->second.sizes() != tensor.sizes() || !converts(tensor, type)) {
      report.mismatched.push_back(
          {name, tensor.sizes().vec(), target->second.sizes().vec(), tensor.scalar_type(), type});
      continue;
    }
    if (options.require_finite) check_finite(file, original, tensor, type);
    report.loaded.push_back(name);
  }
  for (const auto& entry : wanted) {
    if (sources.count(entry.first) == 0) report.missing.push_back({entry.first, {}});
  }
  report.find_nearest();
  const auto net = weights.metadata.find("pam.net");
  const auto options_of_file = net == weights.metadata.end() ? "" : "\nThe file's options: " + printable(net->second);
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

PAM_FUNC LoadReport load_weights(torch::nn::Module& module, std::optional<bool> net_reversed,
                                 const std::filesystem::path& path, const LoadOptions& options) {
  return load_state_dict(module, net_reversed, read_weights(path, options.section), path.string(), options);
}

PAM_FUNC void save_weights(const torch::nn::Module& module, std::optional<bool> net_reversed,
                           const std::filesystem::path& path, const Metadata& metadata) {
  auto noted = metadata;
  noted.emplace("pam.version", PAM_VERSION);
  if (net_reversed) {
    const std::string reversed = *net_reversed ? "true" : "false";
    const auto& written = noted.emplace("pam.reversed", reversed).first->second;
    check(written == reversed,
          "{}: the metadata say pam.reversed = '{}', but the net has reversed = {}; leave pam.reversed out: it is "
          "written as the net says",
          path.string(), printable(written), reversed);
  }
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

}  // namespace detail
}  // namespace pam
