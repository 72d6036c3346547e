// SPDX-License-Identifier: MIT
/// The definitions of safetensors.hpp.
#pragma once

#include <pam/core/atomic_file.hpp>
#include <pam/core/error.hpp>
#include <pam/weights/detail/mapped_tensor.hpp>
#include <pam/weights/detail/memory_map.hpp>
#include <pam/weights/detail/safetensors_header.hpp>
#include <pam/weights/safetensors.hpp>
#include <pam/weights/state_dict.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstring>
#include <deque>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace pam {

namespace detail {

PAM_FUNC std::uint64_t checked_bytes(const std::string& file, const std::string& name,
                                     const std::vector<std::uint64_t>& shape, std::uint64_t element_size) {
  std::uint64_t bytes = element_size;
  bool empty = false;
  for (const auto size : shape) {
    empty = empty || size == 0;
    const auto factor = std::max<std::uint64_t>(size, 1);
    check(bytes <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / factor,
          "{}: tensor '{}' has the shape [{}], too large for any file; the file is damaged", file, printable(name),
          joined(shape, ", "));
    bytes *= factor;
  }
  return empty ? 0 : bytes;
}

PAM_FUNC void check_tiling(const std::string& file, const std::deque<SafetensorsEntry>& entries,
                           std::uint64_t data_size) {
  std::vector<const SafetensorsEntry*> order;
  for (const auto& entry : entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->offsets < b->offsets; });
  std::uint64_t end = 0;
  for (const auto* entry : order) {
    check(
        entry->offsets[0] == end,
        "{}: tensor '{}' begins at byte {} of the data, but the tensor before it ends at {}: tensors must follow each "
        "other without overlap or hole; the file is damaged",
        file, printable(entry->name), entry->offsets[0], end);
    end = entry->offsets[1];
  }
  check(end == data_size,
        "{}: the tensors cover {} bytes, the file holds {}: it was cut short or something was appended", file, end,
        data_size);
}

PAM_FUNC SafetensorsHeader parse_safetensors_header(const FileBytes& bytes, std::uint64_t& header_size) {
  const auto& file = bytes.name();
  check(bytes.size() >= 8,
        "{}: {} bytes are too few for a safetensors file (8 bytes of header length, then the header)", file,
        bytes.size());
  std::memcpy(&header_size, bytes.data(), 8);
  check(header_size <= kSafetensorsHeaderLimit && header_size <= bytes.size() - 8,
        "{}: says that its header has {} bytes, but the file has {} (and the format allows 100 MB): it is cut short, "
        "or not a safetensors file",
        file, header_size, bytes.size());
  check(header_size >= 2 && bytes.data()[8] == '{', "{}: the header does not begin with '{{': not a safetensors file",
        file);
  SafetensorsHeader header(file);
  const auto* text = reinterpret_cast<const char*>(bytes.data()) + 8;
  nlohmann::json::sax_parse(text, text + header_size, &header);
  return header;
}

PAM_FUNC SafetensorsFile parse_safetensors(const std::shared_ptr<FileBytes>& bytes) {
  const auto& file = bytes->name();
  std::uint64_t header_size = 0;
  auto header = parse_safetensors_header(*bytes, header_size);
  auto* data = bytes->data() + 8 + header_size;
  const std::uint64_t data_size = bytes->size() - 8 - header_size;
  std::vector<const ElementType*> types;
  for (const auto& entry : header.entries) {
    const auto type = std::find_if(kElementTypes.begin(), kElementTypes.end(),
                                   [&](const auto& row) { return entry.dtype == row.safetensors; });
    check(type != kElementTypes.end(),
          "{}: tensor '{}' has the dtype '{}'; pam reads F64, F32, F16, BF16, I64, I32, I16, I8, U8 and BOOL: convert "
          "it in Python first",
          file, printable(entry.name), printable(entry.dtype));
    types.push_back(&*type);
    const auto expected = checked_bytes(file, entry.name, entry.shape, c10::elementSize(type->type));
    check(
        entry.offsets.size() == 2 && entry.offsets[0] <= entry.offsets[1] && entry.offsets[1] <= data_size &&
            entry.offsets[1] - entry.offsets[0] == expected,
        "{}: tensor '{}' of shape [{}] and dtype {} needs {} bytes, but its data_offsets are [{}] of {} bytes of data; "
        "the file is damaged or cut short",
        file, printable(entry.name), joined(entry.shape, ", "), entry.dtype, expected, joined(entry.offsets, ", "),
        data_size);
  }
  check_tiling(file, header.entries, data_size);
  SafetensorsFile content;
  content.metadata = std::move(header.metadata);
  content.tensors.reserve(header.entries.size());
  for (std::size_t i = 0; i < header.entries.size(); ++i) {
    auto& entry = header.entries[i];
    const auto begin = entry.offsets[0], size = entry.offsets[1] - begin;
    if (types[i]->type == torch::kBool) check_bools(file, entry.name, data + begin, size);
    auto tensor = make_tensor(bytes, data + begin, size, *types[i], entry.shape);
    content.tensors.emplace_back(std::move(entry.name), std::move(tensor));
  }
  return content;
}

PAM_FUNC std::string safetensors_header(const std::string& file, const StateDict& tensors, const Metadata& metadata,
                                        const std::vector<std::uint64_t>& begins) {
  auto json = metadata_json(file, metadata);
  json.pop_back();
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, tensor] = tensors[i];
    json += fmt::format(",{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}", json_string(file, name),
                        find_element_type(tensor.scalar_type())->safetensors, joined(tensor.sizes(), ","), begins[i],
                        begins[i] + tensor.nbytes());
  }
  json += '}';
  json.append((8 - json.size() % 8) % 8, ' ');
  check(json.size() <= kSafetensorsHeaderLimit, "{}: names and metadata need {} bytes; the format allows 100 MB", file,
        json.size());
  const std::uint64_t size = json.size();
  return std::string(reinterpret_cast<const char*>(&size), 8) + json;
}

}  // namespace detail
}  // namespace pam
