// SPDX-License-Identifier: MIT
/// safetensors files, read and written as https://github.com/huggingface/safetensors#format says:
///   u64 little-endian header length | JSON header {"name": {"dtype", "shape", "data_offsets"}, "__metadata__"} | data.
/// Reading maps the file and believes nothing; writing is atomic and gives the same bytes for the same content.
#pragma once

#include <pam/core/atomic_file.hpp>
#include <pam/core/error.hpp>
#include <pam/weights/detail/mapped_tensor.hpp>
#include <pam/weights/detail/memory_map.hpp>
#include <pam/weights/detail/safetensors_header.hpp>
#include <pam/weights/state_dict.hpp>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstring>
#include <deque>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace pam {

/// The content of a safetensors file, in the header's order.
using SafetensorsFile = WeightsFile;

namespace detail {

/// Bytes of `count` × `shape` elements; throws where int64 cannot hold them. Zero dimensions count as one on the way,
/// so that the strides of an empty tensor cannot overflow either.
inline std::uint64_t checked_bytes(const std::string& file, const std::string& name,
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

/// Throws unless the entries, by offset, tile the `data_size` bytes after the header: no overlap, hole or trailing
/// byte.
inline void check_tiling(const std::string& file, const std::deque<SafetensorsEntry>& entries,
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

inline SafetensorsHeader parse_safetensors_header(const FileBytes& bytes, std::uint64_t& header_size) {
  const auto& file = bytes.name();
  check(bytes.size() >= 8,
        "{}: {} bytes are too few for a safetensors file (8 bytes of header length, then the header)", file,
        bytes.size());
  std::memcpy(&header_size, bytes.data(), 8);
  check(header_size <= kSafetensorsHeaderLimit && header_size <= bytes.size() - 8,
        "{}: says that its header has {} bytes, but the file has {} (and the format allows 100 MB): it is cut short, "
        "or not "
        "a safetensors file",
        file, header_size, bytes.size());
  check(header_size >= 2 && bytes.data()[8] == '{', "{}: the header does not begin with '{{': not a safetensors file",
        file);
  SafetensorsHeader header(file);
  const auto* text = reinterpret_cast<const char*>(bytes.data()) + 8;
  nlohmann::json::sax_parse(text, text + header_size, &header);
  return header;
}

/// `read_safetensors` of bytes in memory.
inline SafetensorsFile parse_safetensors(const std::shared_ptr<FileBytes>& bytes) {
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
          "it in "
          "Python first",
          file, printable(entry.name), printable(entry.dtype));
    types.push_back(&*type);
    const auto expected = checked_bytes(file, entry.name, entry.shape, c10::elementSize(type->type));
    check(
        entry.offsets.size() == 2 && entry.offsets[0] <= entry.offsets[1] && entry.offsets[1] <= data_size &&
            entry.offsets[1] - entry.offsets[0] == expected,
        "{}: tensor '{}' of shape [{}] and dtype {} needs {} bytes, but its data_offsets are [{}] of {} bytes of data; "
        "the file is damaged or cut short",
        file, printable(entry.name), joined(entry.shape, ", "), entry.dtype, expected,
        joined(entry.offsets, ", "), data_size);
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

/// The header with its 8 bytes of length, padded with spaces so that the data begin at a multiple of 8.
inline std::string safetensors_header(const std::string& file, const StateDict& tensors, const Metadata& metadata,
                                      const std::vector<std::uint64_t>& begins) {
  auto json = metadata_json(file, metadata);
  json.pop_back();
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, tensor] = tensors[i];
    json += fmt::format(",{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}", json_string(file, name),
                        find_element_type(tensor.scalar_type())->safetensors,
                        joined(tensor.sizes(), ","), begins[i],
                        begins[i] + static_cast<std::uint64_t>(tensor.numel()) * tensor.element_size());
  }
  json += '}';
  json.append((8 - json.size() % 8) % 8, ' ');
  check(json.size() <= kSafetensorsHeaderLimit, "{}: names and metadata need {} bytes; the format allows 100 MB", file,
        json.size());
  const std::uint64_t size = json.size();
  return std::string(reinterpret_cast<const char*>(&size), 8) + json;
}

}  // namespace detail

/// Reads the safetensors file `path`. Tensors are on the CPU, in the header's order, and map the file (which stays open
/// as long as one of them lives); writing to them changes memory only. Types: F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL.
/// Throws `Error` where the file breaks the format in any way: header length, JSON, repeated names, unknown type, shape
/// against offsets, overlap, hole, trailing bytes. At most 65,536 tensors of at most 64 dimensions.
/// Example: `for (auto& [name, tensor] : read_safetensors("net.safetensors").tensors) …`
[[nodiscard]] inline SafetensorsFile read_safetensors(const std::filesystem::path& path) {
  return detail::parse_safetensors(FileBytes::map(path));
}

/// Writes `tensors` to `path` atomically (see `write_atomically`). Each is stored contiguously and by itself, whatever
/// its strides, device or sharing; larger element types come first in the data, so that each is aligned, while the
/// header keeps the given order. `metadata` gets "format": "pt" (which Python's loaders look for) unless it has one.
/// Throws `Error` for undefined, sparse, quantised or complex tensors, repeated names, and the name "__metadata__".
inline void write_safetensors(const std::filesystem::path& path, const StateDict& tensors,
                              const Metadata& metadata = {}) {
  const auto file = path.string();
  detail::check_writable(file, tensors);
  check(!find_tensor(tensors, "__metadata__").defined(), "{}: a tensor may not be called '__metadata__'; rename it",
        file);
  check(tensors.size() <= detail::kTensorCountLimit, "{}: {} tensors; pam writes at most {}", file, tensors.size(),
        detail::kTensorCountLimit);
  auto noted = metadata;
  noted.emplace("format", "pt");

  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return tensors[a].second.element_size() > tensors[b].second.element_size();
  });
  std::vector<std::uint64_t> begins(tensors.size());
  std::uint64_t end = 0;
  for (const auto i : order) {
    begins[i] = end;
    end += static_cast<std::uint64_t>(tensors[i].second.numel()) * tensors[i].second.element_size();
  }
  const auto header = detail::safetensors_header(file, tensors, noted, begins);
  write_atomically(path, [&](std::ostream& out) {
    out.write(header.data(), static_cast<std::streamsize>(header.size()));
    for (const auto i : order) {
      const auto tensor = detail::writable_copy(tensors[i].second);
      out.write(static_cast<const char*>(tensor.data_ptr()), static_cast<std::streamsize>(tensor.nbytes()));
    }
  });
}

}  // namespace pam
