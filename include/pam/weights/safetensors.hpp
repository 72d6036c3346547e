// SPDX-License-Identifier: MIT
/// safetensors files, read and written as described in https://github.com/huggingface/safetensors#format:
///   u64 little-endian header length | JSON header {"name": {"dtype", "shape", "data_offsets"}, "__metadata__"} | data.
/// Reading maps the file and checks everything; writing is atomic and gives the same bytes for the same content.
#pragma once

#include <pam/core/atomic_file.hpp>
#include <pam/core/error.hpp>
#include <pam/weights/detail/mapped_tensor.hpp>
#include <pam/weights/detail/memory_map.hpp>
#include <pam/weights/detail/safetensors_header.hpp>
#include <pam/weights/state_dict.hpp>

#include <algorithm>
#include <cstring>
#include <deque>
#include <numeric>
#include <string>
#include <vector>

namespace pam {

/// The content of a safetensors file, in the header's order.
using SafetensorsFile = WeightsFile;

namespace detail {

/// Bytes of `count` × `shape` elements; throws where int64 cannot hold them. Zero dimensions count as one on the way,
/// so that the strides of an empty tensor cannot overflow either.
std::uint64_t checked_bytes(const std::string& file, const std::string& name, const std::vector<std::uint64_t>& shape,
                            std::uint64_t element_size);

/// Throws unless the entries, by offset, tile the `data_size` bytes after the header: no overlap, hole or trailing
/// byte.
void check_tiling(const std::string& file, const std::deque<SafetensorsEntry>& entries, std::uint64_t data_size);

SafetensorsHeader parse_safetensors_header(const FileBytes& bytes, std::uint64_t& header_size);

/// `read_safetensors` of bytes in memory.
SafetensorsFile parse_safetensors(const std::shared_ptr<FileBytes>& bytes);

/// The header with its 8 bytes of length, padded with spaces so that the data begin at a multiple of 8.
std::string safetensors_header(const std::string& file, const StateDict& tensors, const Metadata& metadata,
                               const std::vector<std::uint64_t>& begins);

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
    end += tensors[i].second.nbytes();
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

#ifndef PAM_COMPILED
#include <pam/weights/safetensors-inl.hpp>
#endif
