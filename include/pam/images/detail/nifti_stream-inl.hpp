// SPDX-License-Identifier: MIT
/// The definitions of nifti_stream.hpp. Format of gzip: RFC 1952, of the blocks in it: RFC 1951.
#pragma once

#include <pam/core/error.hpp>
#include <pam/data/ordered_workers.hpp>
#include <pam/images/detail/nifti_stream.hpp>

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <ostream>
#include <string>

namespace pam::detail {

/// A part of a deflate stream that ends at a whole byte, and what it was made from.
struct DeflatedBlock {
  std::string bytes;
  std::uint32_t checksum = 0, length = 0;
};

PAM_FUNC DeflatedBlock deflated(const unsigned char* data, std::int64_t start, std::int64_t size, int level) {
  constexpr std::int64_t window = 1 << 15;
  z_stream stream{};
  check(deflateInit2(&stream, level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK,
        "gzip: there is no memory for a compressor");
  const auto known = static_cast<uInt>(std::min(start, window)), length = static_cast<uInt>(size);
  if (known > 0) deflateSetDictionary(&stream, data + start - known, known);
  DeflatedBlock block;
  constexpr uLong flush = 16;  // what ends a block at a whole byte takes less
  block.bytes.resize(deflateBound(&stream, length) + flush);
  stream.next_in = const_cast<Bytef*>(data + start), stream.avail_in = length;
  stream.next_out = reinterpret_cast<Bytef*>(block.bytes.data());
  stream.avail_out = static_cast<uInt>(block.bytes.size());
  const bool whole = deflate(&stream, Z_SYNC_FLUSH) == Z_OK && stream.avail_in == 0 && stream.avail_out > 0;
  block.bytes.resize(stream.total_out);
  deflateEnd(&stream);
  check(whole, "gzip: a block of {} bytes could not be compressed", size);
  block.length = length;
  block.checksum = static_cast<std::uint32_t>(::crc32(0, data + start, length));
  return block;
}

PAM_FUNC NiftiOutput::NiftiOutput(std::ostream& out, int level) : out_(out), level_(level) {
  constexpr char header[] = {'\x1f', '\x8b', '\b', 0, 0, 0, 0, 0, 0, '\x03'};  // deflate, no name, no time, Unix
  if (level_ > 0) out_.write(header, sizeof(header));
}

PAM_FUNC void NiftiOutput::write(const void* data, std::int64_t size) {
  constexpr std::int64_t part = 1 << 20;
  const auto count = (size + part - 1) / part;
  if (level_ == 0) {
    const auto* bytes = static_cast<const char*>(data);
    for (std::int64_t i = 0; i < count; ++i) out_.write(bytes + i * part, std::min(part, size - i * part));
    return;
  }
  const auto threads = count > 1 ? static_cast<std::int64_t>(at::get_num_threads()) : 0;
  OrderedWorkers<DeflatedBlock> blocks(count, threads, 2 * threads, [&](std::int64_t i) {
    return deflated(static_cast<const unsigned char*>(data), i * part, std::min(part, size - i * part), level_);
  });
  while (const auto block = blocks.next()) {
    out_.write(block->bytes.data(), static_cast<std::streamsize>(block->bytes.size()));
    checksum_ = static_cast<std::uint32_t>(crc32_combine(checksum_, block->checksum, block->length));
    length_ += block->length;
  }
}

PAM_FUNC void NiftiOutput::finish() {
  if (level_ == 0) return;
  std::string end("\x03\0", 2);  // a last block without content
  for (const auto number : {checksum_, length_}) {
    for (unsigned shift = 0; shift < 32; shift += 8) end += static_cast<char>(number >> shift & 0xffU);
  }
  out_.write(end.data(), static_cast<std::streamsize>(end.size()));
}

}  // namespace pam::detail
