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

#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

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

PAM_FUNC PickleValue find_weights(const std::string& file, const PickleData& data, const std::string& section) {
  auto dict = data.root;
  check(dict.kind == PickleValue::Kind::kDict,
        "{}: holds no dict of tensors but something else (a lone tensor, a list); save model.state_dict()", file);
  if (!section.empty()) {
    const auto* chosen = data.find(dict, section);
    check(chosen != nullptr && chosen->kind == PickleValue::Kind::kDict,
          "{}: has no section '{}' with weights; it has: {}", file, section, dict_keys(data, dict));
    return *chosen;
  }
  for (int level = 0; level < 4; ++level) {
    const PickleValue* inner = nullptr;
    for (const auto key : kWeightSections) {
      const auto* candidate = data.find(dict, key);
      if (inner == nullptr && candidate != nullptr && candidate->kind == PickleValue::Kind::kDict) inner = candidate;
    }
    if (inner == nullptr) break;
    dict = *inner;
  }
  return dict;
}

PAM_FUNC StateDict named_tensors(const std::string& file, const PickleData& data, const PickleValue& dict,
                                 PickledTensors& maker) {
  const auto& items = data.items[dict.index];
  StateDict tensors;
  std::unordered_set<std::string_view> names;
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    const auto &key = items[i], &value = items[i + 1];
    const std::string name(data.string(key));
    check(key.kind == PickleValue::Kind::kString && value.kind == PickleValue::Kind::kTensor,
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
  return {named_tensors(bytes->name(), data, find_weights(bytes->name(), data, section), maker),
          torch_zip_metadata(archive, folder)};
}

}  // namespace detail
}  // namespace pam
