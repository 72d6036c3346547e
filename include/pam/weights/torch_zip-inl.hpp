// SPDX-License-Identifier: MIT
/// The definitions of torch_zip.hpp.
#pragma once

#include <pam/core/atomic_file.hpp>
#include <pam/core/error.hpp>
#include <pam/weights/detail/mapped_tensor.hpp>
#include <pam/weights/detail/pickle_writer.hpp>
#include <pam/weights/detail/safetensors_header.hpp>
#include <pam/weights/detail/unpickle.hpp>
#include <pam/weights/detail/zip_reader.hpp>
#include <pam/weights/detail/zip_writer.hpp>
#include <pam/weights/torch_zip.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace pam {

namespace detail {

PAM_FUNC std::string torch_folder(const ZipArchive& archive) {
  const auto& file = archive.bytes()->name();
  const ZipEntry* pickle = nullptr;
  for (const auto& entry : archive.entries()) {
    const auto slash = entry.name.find('/');
    if (slash == std::string_view::npos) continue;
    const auto rest = entry.name.substr(slash + 1);
    check(rest != "constants.pkl" && rest.substr(0, 5) != "code/",
          "{}: is a TorchScript archive (torch.jit.save, or C++'s torch::save), which holds code; run "
          "export_weights.py on it in Python, or save model.state_dict()",
          file);
    if (rest == "data.pkl") {
      check(pickle == nullptr, "{}: holds two data.pkl; the file is damaged", file);
      pickle = &entry;
    }
  }
  check(pickle != nullptr, "{}: is a zip archive, but not one of torch.save: it has no data.pkl", file);
  return std::string(pickle->name.substr(0, pickle->name.size() - 8));
}

PAM_FUNC std::string dict_keys(const PickleData& data, const PickleValue& dict) {
  std::string keys;
  const auto& items = data.items[dict.index];
  for (std::size_t i = 0; i + 1 < items.size() && i < 48; i += 2) {
    keys += (keys.empty() ? "" : ", ") + printable(data.string(items[i]));
  }
  return items.size() > 48 ? keys + ", ..." : keys;
}

PAM_FUNC bool names_averaged_weights(std::string_view name) {
  std::string part;
  const auto averaged = [&] { return part == "ema" || part == "swa" || part == "averaged" || part == "shadow"; };
  for (const char letter : name) {
    const auto code = static_cast<unsigned char>(letter);
    if (std::isalnum(code) != 0) {
      part += static_cast<char>(std::tolower(code));
      continue;
    }
    if (averaged()) return true;
    part.clear();
  }
  return averaged();
}

/// Looks for the weights of a checkpoint. Each dict is entered once, so that a pickle whose dicts hold each other takes
/// no longer than its size.
class SectionSearch {
 public:
  SectionSearch(const std::string& file, const PickleData& data)
      : file_(file), data_(data), entered_(data.items.size()) {}

  /// The weights in `dict`, which is called `name` ("" at the top); nothing where it has no tensors.
  std::optional<WeightsSection> run(const PickleValue& dict, const std::string& name, int level = 0) {
    if (dict.kind != PickleValue::Kind::kDict || level > 4 || entered_[dict.index]) return std::nullopt;
    entered_[dict.index] = true;
    std::vector<WeightsSection> known(kWeightSections.size()), plain, averaged;
    std::vector<std::string> names;
    bool has_tensors = false, has_weights = false;
    const auto& items = data_.items[dict.index];
    for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
      has_tensors = has_tensors || items[i + 1].kind == PickleValue::Kind::kTensor;
      has_weights = has_weights || is_weight(items[i + 1]);
      if (items[i].kind != PickleValue::Kind::kString || items[i + 1].kind != PickleValue::Kind::kDict) continue;
      const auto key = data_.string(items[i]);
      const auto rank = static_cast<std::size_t>(std::find(kWeightSections.begin(), kWeightSections.end(), key) -
                                                 kWeightSections.begin());
      const bool is_known = rank < known.size(), is_averaged = !is_known && names_averaged_weights(key);
      if (!is_known && !is_averaged && !holds_weights(items[i + 1])) continue;
      auto found = run(items[i + 1], (name.empty() ? "" : name + ".") + printable(key), level + 1);
      if (!found) continue;
      names.push_back(found->name);
      (is_known ? known[rank] : is_averaged ? averaged.emplace_back() : plain.emplace_back()) = std::move(*found);
    }
    const auto chosen = [&](WeightsSection section) {
      for (const auto& other : names) {
        if (other != section.name) section.others.push_back(other);
      }
      return section;
    };
    for (auto& section : known) {
      if (section.dict.kind == PickleValue::Kind::kDict) return chosen(std::move(section));
    }
    if (has_weights) return chosen({dict, name, {}});
    auto& candidates = plain.empty() ? averaged : plain;
    if (candidates.empty()) return has_tensors ? std::optional(chosen({dict, name, {}})) : std::nullopt;
    check(candidates.size() == 1, "{}: holds weights in the sections {}; say which to take by LoadOptions::section",
          file_, joined(names, ", "));
    return chosen(std::move(candidates.front()));
  }

 private:
  /// A net has parameters of two and more dimensions; random states, losses and counters have none.
  [[nodiscard]] bool is_weight(const PickleValue& value) const {
    if (value.kind != PickleValue::Kind::kTensor) return false;
    const auto& tensor = data_.tensors[value.index];
    return tensor.sizes.size() >= 2 && (tensor.type == nullptr || c10::isFloatingType(tensor.type->type));
  }
  [[nodiscard]] bool holds_weights(const PickleValue& dict) const {
    if (entered_[dict.index]) return false;
    const auto& items = data_.items[dict.index];
    for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
      if (items[i].kind != PickleValue::Kind::kString) return false;
      if (is_weight(items[i + 1])) return true;
    }
    return false;
  }

  const std::string& file_;
  const PickleData& data_;
  std::vector<bool> entered_;
};

/// The dict called `section` in `dict` or in the dicts within it, the uppermost first.
PAM_FUNC std::optional<PickleValue> section_called(const PickleData& data, const PickleValue& dict,
                                                   std::string_view section) {
  std::vector<PickleValue> level{dict};
  std::vector<bool> seen(data.items.size());
  for (int depth = 0; depth < 4 && !level.empty(); ++depth) {
    std::vector<PickleValue> below;
    for (const auto& each : level) {
      const auto* found = data.find(each, section);
      if (found != nullptr && found->kind == PickleValue::Kind::kDict) return *found;
      const auto& items = data.items[each.index];
      for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
        if (items[i + 1].kind != PickleValue::Kind::kDict || seen[items[i + 1].index]) continue;
        seen[items[i + 1].index] = true;
        below.push_back(items[i + 1]);
      }
    }
    level = std::move(below);
  }
  return std::nullopt;
}

PAM_FUNC WeightsSection find_weights(const std::string& file, const PickleData& data, const std::string& section) {
  const auto& root = data.root;
  check(root.kind == PickleValue::Kind::kDict,
        "{}: holds no dict of tensors but something else (a lone tensor, a list); save model.state_dict()", file);
  SectionSearch search(file, data);
  if (section.empty()) return search.run(root, "").value_or(WeightsSection{root, "", {}});
  const auto chosen = section_called(data, root, section);
  check(chosen.has_value(), "{}: has no section '{}' with weights; it has: {}", file, section, dict_keys(data, root));
  auto found = search.run(*chosen, section).value_or(WeightsSection{*chosen, section, {}});
  found.others.clear();  // the caller chose
  return found;
}

PAM_FUNC StateDict named_tensors(const std::string& file, const PickleData& data, const PickleValue& dict,
                                 PickledTensors& maker, std::vector<std::string>* skipped) {
  const auto& items = data.items[dict.index];
  StateDict tensors;
  std::unordered_set<std::string_view> names;
  bool any = false;
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) any = any || items[i + 1].kind == PickleValue::Kind::kTensor;
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    const auto &key = items[i], &value = items[i + 1];
    const std::string name(data.string(key));
    const bool is_tensor = value.kind == PickleValue::Kind::kTensor;
    if (any && !is_tensor && value.kind != PickleValue::Kind::kStorage) {
      if (skipped != nullptr) skipped->push_back(name);
      continue;
    }
    check(key.kind == PickleValue::Kind::kString && is_tensor,
          "{}: the entry '{}' is no tensor under a name. The file's keys are: {}. Name the section that holds the "
          "weights (LoadOptions::section), or run export_weights.py on it in Python",
          file, printable(name), dict_keys(data, dict));
    check(names.insert(data.string(key)).second, "{}: the tensor '{}' is listed twice; the file is damaged", file,
          printable(name));
    tensors.emplace_back(name, maker.make(name, data.tensors[value.index]));
  }
  return tensors;
}

PAM_FUNC Metadata torch_zip_metadata(const ZipArchive& archive, const std::string& folder) {
  const auto* entry = archive.find(folder + "pam_metadata.json");
  if (entry == nullptr) return {};
  SafetensorsHeader header(archive.bytes()->name());
  const auto* text = reinterpret_cast<const char*>(archive.data(*entry));
  nlohmann::json::sax_parse(text, text + entry->size, &header);
  return std::move(header.metadata);
}

PAM_FUNC WeightsFile parse_torch_zip(const std::shared_ptr<FileBytes>& bytes, const std::string& section) {
  const ZipArchive archive(bytes);
  const auto folder = torch_folder(archive);
  if (const auto* order = archive.find(folder + "byteorder")) {
    const std::string_view text(reinterpret_cast<const char*>(archive.data(*order)), order->size);
    check(text == "little", "{}: was written on a big-endian machine; load and save it on this one in Python",
          bytes->name());
  }
  const auto& pickle = *archive.find(folder + "data.pkl");
  const auto data = Unpickler(bytes->name(), archive.data(pickle), pickle.size).run();
  PickledTensors maker(archive, folder, data);
  auto found = find_weights(bytes->name(), data, section);
  WeightsFile content;
  content.tensors = named_tensors(bytes->name(), data, found.dict, maker, &content.skipped);
  content.metadata = torch_zip_metadata(archive, folder);
  content.section = std::move(found.name);
  content.other_sections = std::move(found.others);
  return content;
}

}  // namespace detail
}  // namespace pam
