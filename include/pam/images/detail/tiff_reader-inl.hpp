// SPDX-License-Identifier: MIT
#pragma once

#include <pam/core/error.hpp>
#include <pam/images/detail/tiff_reader.hpp>

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

namespace pam::detail {

PAM_FUNC std::string tiff_kind(const PictureFacts& facts) {
  const auto& page = facts.tiff;
  return formatted("{}TIFF of {} {}-bit {} number(s) per pixel, photometric {}, compression {}, predictor {}{}",
                   page.is_big_tiff ? "Big" : "", page.samples, facts.bits,
                   page.sample_format == 3   ? "floating-point"
                   : page.sample_format == 2 ? "signed integer"
                                             : "unsigned integer",
                   page.photometric, page.compression, page.predictor, page.is_tiled ? ", in tiles" : "");
}

PAM_FUNC bool is_tiff_of_pam(const PictureBytes& bytes, const PictureFacts& facts) {
  if (facts.format != PictureFormat::Tiff) return false;
  const auto& page = facts.tiff;
  const bool is_float = page.sample_format == 3;
  const bool needed = page.is_big_tiff || page.photometric == 3 || page.sample_format == 2 || facts.orientation != 1 ||
                      (facts.bits >= 32 && !is_float);
  if (!needed && !page.is_tiled) return false;
  const auto compression = page.compression;
  const bool unpacks =
      compression == 1 || compression == 5 || compression == 8 || compression == 32946 || compression == 32773;
  const bool few_bits = facts.bits == 1 || facts.bits == 2 || facts.bits == 4;
  const bool has_type = is_float ? facts.bits == 32 || facts.bits == 64
                                 : (few_bits && page.samples == 1 && page.sample_format == 1) || facts.bits == 8 ||
                                       facts.bits == 16 || facts.bits == 32;
  const bool readable = unpacks && has_type && page.fill_order == 1 && page.sample_format >= 1 &&
                        page.sample_format <= 3 && page.photometric >= 0 && page.photometric <= 3 &&
                        page.samples >= 1 && page.samples <= 4 &&
                        (page.predictor == 1 || (page.predictor == 2 && !is_float && !few_bits));
  check(readable || !needed, "{}: is a {}, which pam does not read; save it as a plain TIFF or a PNG", bytes.file(),
        tiff_kind(facts));
  return readable;
}

/// LZW as TIFF 6.0 has it (section 13): codes of 9 to 12 bits, the highest bit first, widened one code early.
PAM_FUNC std::vector<unsigned char> unpack_lzw(const unsigned char* data, std::size_t count, std::size_t expected) {
  constexpr std::uint32_t kClear = 256, kEnd = 257, kMost = 4096;
  std::vector<unsigned char> result;
  std::vector<std::size_t> start(kMost), length(kMost);  // of each code's string within `result`
  std::uint32_t buffer = 0, next = 258;
  int bits = 0, width = 9;
  bool has_previous = false;
  std::size_t previous_start = 0, previous_length = 0;
  for (std::size_t at = 0; result.size() < expected;) {
    while (bits < width && at < count) buffer = buffer << 8 | data[at++], bits += 8;
    if (bits < width) break;
    const auto code = buffer >> (bits - width) & ((1U << width) - 1);
    bits -= width;
    if (code == kEnd) break;
    if (code == kClear) {
      next = 258, width = 9, has_previous = false;
      continue;
    }
    if (code > 257 && (!has_previous || code > next || (code == next && next >= kMost))) break;  // damaged
    const auto begin = result.size();
    if (code < 256) {
      result.push_back(static_cast<unsigned char>(code));
    } else {
      const bool is_new = code == next;
      const auto from = is_new ? previous_start : start[code];
      const auto size = is_new ? previous_length + 1 : length[code];
      // A new code's string ends in its own first number, which stands right behind the previous string.
      for (std::size_t i = 0; i < size; ++i) result.push_back(result[from + i]);
    }
    if (has_previous && next < kMost) {
      start[next] = previous_start;
      length[next++] = previous_length + 1;
    }
    width = next >= 2047 ? 12 : next >= 1023 ? 11 : next >= 511 ? 10 : 9;
    previous_start = begin, previous_length = result.size() - begin;
    has_previous = true;
  }
  return result;
}

/// PackBits (TIFF 6.0, section 9).
PAM_FUNC std::vector<unsigned char> unpack_bits(const unsigned char* data, std::size_t count, std::size_t expected) {
  std::vector<unsigned char> result;
  for (std::size_t at = 0; at + 1 < count && result.size() < expected;) {
    const int head = static_cast<signed char>(data[at++]);
    if (head == -128) continue;
    if (head < 0) {
      result.insert(result.end(), static_cast<std::size_t>(1 - head), data[at++]);
    } else {
      const auto size = std::min(static_cast<std::size_t>(head) + 1, count - at);
      result.insert(result.end(), data + at, data + at + size);
      at += size;
    }
  }
  return result;
}

/// The bytes of one strip or tile.
PAM_FUNC std::vector<unsigned char> tiff_block(const PictureBytes& bytes, const TiffPage& page, std::size_t index,
                                               std::size_t expected) {
  const auto offset = page.offsets[index], count = page.counts[index];
  const auto size = static_cast<std::int64_t>(bytes.size());
  check(offset >= 0 && count >= 0 && offset <= size && count <= size - offset,
        "{}: a part of the TIFF ends behind the file; it is cut short or damaged", bytes.file());
  const auto* data = bytes.all().data() + offset;
  const auto length = static_cast<std::size_t>(count);
  // No deflate stream grows by more than 1032 (zlib's technical notes), LZW and PackBits by less.
  check(page.compression == 1 ? expected <= length : expected <= 4096 * (length + 1),
        "{}: a part of the TIFF is shorter than its pixels need; it is cut short or damaged", bytes.file());
  std::vector<unsigned char> result;
  if (page.compression == 1) {
    result.assign(data, data + expected);
  } else if (page.compression == 5) {
    result = unpack_lzw(data, length, expected);
  } else if (page.compression == 32773) {
    result = unpack_bits(data, length, expected);
  } else {
    result.resize(expected);
    uLongf unpacked = expected;
    const auto status = uncompress(result.data(), &unpacked, data, static_cast<uLong>(length));
    if (status != Z_OK) unpacked = 0;
    result.resize(unpacked);
  }
  check(result.size() >= expected, "{}: a part of the TIFF cannot be unpacked; it is damaged", bytes.file());
  return result;
}

/// Copies rows of a block to the planes, number by number.
template <typename Stored, typename Target>
void place_tiff_numbers(const PictureFacts& facts, const std::vector<unsigned char>& block, std::size_t row_bytes,
                        std::int64_t samples, std::array<std::int64_t, 3> at, torch::Tensor& planes) {
  const auto& page = facts.tiff;
  const auto [plane, top, left] = at;
  const auto rows = std::min(page.block_height, facts.height - top);
  const auto columns = std::min(page.block_width, facts.width - left);
  auto* target = planes.data_ptr<Target>();
  std::vector<Stored> line(static_cast<std::size_t>(page.block_width * samples));
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto* source = block.data() + static_cast<std::size_t>(row) * row_bytes;
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (facts.bits < 8) {
        const auto bit = i * static_cast<std::size_t>(facts.bits);
        const auto shift = 8 - facts.bits - static_cast<int>(bit % 8);
        line[i] = static_cast<Stored>(source[bit / 8] >> shift & ((1 << facts.bits) - 1));
        continue;
      }
      std::array<unsigned char, sizeof(Stored)> number{};
      std::memcpy(number.data(), source + i * sizeof(Stored), sizeof(Stored));
      if (page.big_endian) std::reverse(number.begin(), number.end());
      std::memcpy(&line[i], number.data(), sizeof(Stored));
      const auto before = static_cast<std::size_t>(samples);
      if constexpr (std::is_integral_v<Stored>) {
        if (page.predictor != 2 || i < before) continue;
        line[i] =
            static_cast<Stored>(static_cast<std::uint32_t>(line[i]) + static_cast<std::uint32_t>(line[i - before]));
      }
    }
    for (std::int64_t column = 0; column < columns; ++column) {
      for (std::int64_t sample = 0; sample < samples; ++sample) {
        target[((plane + sample) * facts.height + top + row) * facts.width + left + column] =
            static_cast<Target>(line[static_cast<std::size_t>(column * samples + sample)]);
      }
    }
  }
}

template <typename Stored, typename Target>
torch::Tensor tiff_numbers_as(const PictureBytes& bytes, const PictureFacts& facts, torch::Dtype dtype) {
  const auto& page = facts.tiff;
  const std::int64_t planes = page.planar == 2 ? page.samples : 1, samples = page.samples / planes;
  check(page.block_width > 0 && page.block_height > 0 && page.block_width <= (1 << 20) &&
            page.block_height <= (1 << 20) && page.block_width * page.block_height <= (std::int64_t{1} << 28),
        "{}: the TIFF has parts of {} x {} pixels; it is damaged", bytes.file(), page.block_width, page.block_height);
  const auto across = (facts.width + page.block_width - 1) / page.block_width;
  const auto down = (facts.height + page.block_height - 1) / page.block_height;
  check(static_cast<std::int64_t>(page.offsets.size()) >= across * down * planes &&
            page.counts.size() >= page.offsets.size(),
        "{}: the TIFF lists {} of {} parts; it is damaged", bytes.file(), page.offsets.size(), across * down * planes);
  const auto row_bytes = static_cast<std::size_t>((page.block_width * samples * facts.bits + 7) / 8);
  auto result = torch::zeros({page.samples, facts.height, facts.width}, dtype);
  std::size_t index = 0;
  for (std::int64_t plane = 0; plane < planes; ++plane) {
    for (std::int64_t top = 0; top < facts.height; top += page.block_height) {
      // The last strip is as short as the picture; tiles are whole.
      const auto rows = page.is_tiled ? page.block_height : std::min(page.block_height, facts.height - top);
      for (std::int64_t left = 0; left < facts.width; left += page.block_width) {
        const auto block = tiff_block(bytes, page, index++, row_bytes * static_cast<std::size_t>(rows));
        place_tiff_numbers<Stored, Target>(facts, block, row_bytes, samples, {plane, top, left}, result);
      }
    }
  }
  return upright(result, facts.orientation);
}

PAM_FUNC torch::Tensor read_tiff_numbers(const PictureBytes& bytes, const PictureFacts& facts) {
  const bool is_signed = facts.tiff.sample_format == 2;
  if (facts.tiff.sample_format == 3) {
    return facts.bits == 32 ? tiff_numbers_as<float, float>(bytes, facts, torch::kFloat)
                            : tiff_numbers_as<double, double>(bytes, facts, torch::kDouble);
  }
  if (facts.bits == 32) {
    return is_signed ? tiff_numbers_as<std::int32_t, std::int64_t>(bytes, facts, torch::kLong)
                     : tiff_numbers_as<std::uint32_t, std::int64_t>(bytes, facts, torch::kLong);
  }
  if (facts.bits == 16) {
    return is_signed ? tiff_numbers_as<std::int16_t, std::int16_t>(bytes, facts, torch::kShort)
                     : tiff_numbers_as<std::uint16_t, std::int32_t>(bytes, facts, torch::kInt);
  }
  return is_signed ? tiff_numbers_as<std::int8_t, std::int8_t>(bytes, facts, torch::kChar)
                   : tiff_numbers_as<std::uint8_t, std::uint8_t>(bytes, facts, torch::kByte);
}

PAM_FUNC torch::Tensor tiff_picture(const PictureBytes& bytes, const PictureFacts& facts) {
  const auto& page = facts.tiff;
  const bool is_float = page.sample_format == 3;
  check(is_float || (page.sample_format == 1 && facts.bits <= 16),
        "{}: holds {}-bit {} integers; of these only labels are read. Save the picture with unsigned 8 or 16 bits, or "
        "as float32",
        bytes.file(), facts.bits, page.sample_format == 2 ? "signed" : "unsigned");
  auto numbers = read_tiff_numbers(bytes, facts);
  if (page.photometric == 3) {
    const auto entries = std::int64_t{1} << facts.bits;
    check(static_cast<std::int64_t>(page.colours.size()) >= 3 * entries, "{}: the palette of the TIFF is damaged",
          bytes.file());
    const auto table = torch::tensor(page.colours, torch::kLong).narrow(0, 0, 3 * entries).view({3, entries});
    // The standard says 0 … 65535; some writers use 0 … 255.
    const auto colours = table.max().item<std::int64_t>() > 255 ? table.floor_divide(256) : table;
    const auto picked = colours.index_select(1, numbers[0].reshape(-1).to(torch::kLong));
    return picked.view({3, numbers.size(1), numbers.size(2)}).to(torch::kByte);
  }
  numbers = numbers.narrow(0, 0, page.samples >= 3 ? 3 : 1).contiguous();
  if (is_float) return numbers.to(torch::kFloat);
  const auto top = (std::int64_t{1} << facts.bits) - 1;
  if (page.photometric == 0) numbers = top - numbers;
  return facts.bits < 8 ? (numbers * (255 / top)).to(torch::kByte) : numbers;
}

PAM_FUNC torch::Tensor upright(const torch::Tensor& planes, int orientation) {
  auto result = planes;
  // 5 to 8 have rows and columns exchanged; then 2, 3, 6, 7 are mirrored left to right, 3, 4, 7, 8 top to bottom.
  if (orientation >= 5) result = result.transpose(1, 2);
  std::vector<std::int64_t> mirrored;
  if (orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8) mirrored.push_back(1);
  if (orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7) mirrored.push_back(2);
  if (!mirrored.empty()) result = result.flip(mirrored);
  return result.contiguous();
}

}  // namespace pam::detail
