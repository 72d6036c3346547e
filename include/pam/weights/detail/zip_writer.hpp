// SPDX-License-Identifier: MIT
/// Writes zip archives of stored entries as torch.save does: data aligned to 64 bytes, zip64 throughout.
#pragma once

#include <pam/weights/detail/crc32.hpp>

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

namespace pam::detail {

/// Signatures of the zip format's records.
constexpr std::uint32_t kZipLocal = 0x04034b50, kZipCentral = 0x02014b50, kZipEnd = 0x06054b50, kZip64End = 0x06064b50,
                        kZip64Locator = 0x07064b50;
constexpr std::uint32_t kZipIn64 = 0xFFFFFFFFu;  // "the true value is in the zip64 field"

/// Writes a zip archive of stored entries to a stream, each entry's data at a multiple of 64 bytes (as torch.save pads
/// them, so that they can be mapped). Times are zero: the same content gives the same bytes.
class ZipWriter {
 public:
  explicit ZipWriter(std::ostream& out) : out_(out) {}

  void add(const std::string& name, const void* data, std::uint64_t size) {
    const auto crc = crc32(data, size);
    const auto offset = position_;
    // Local extra field: zip64 sizes (20 bytes), then padding under PyTorch's id "FB".
    const auto unpadded = position_ + 30 + name.size() + 20 + 4;
    const auto padding = (64 - unpadded % 64) % 64;
    put(kZipLocal);
    common(crc, name);
    put(static_cast<std::uint16_t>(24 + padding));
    raw(name.data(), name.size());
    zip64(size, 16);
    put(std::uint16_t{0x4246});
    put(static_cast<std::uint16_t>(padding));
    raw(std::string(padding, '\0').data(), padding);
    raw(data, size);
    directory_.push_back({name, offset, size, crc});
  }

  void finish() {
    const auto begin = position_;
    for (const auto& entry : directory_) {
      put(kZipCentral);
      put(std::uint16_t{45});  // made by version 4.5
      common(entry.crc, entry.name);
      put(std::uint16_t{28});  // extra field
      put(std::uint16_t{0});   // comment
      put(std::uint16_t{0});   // disk
      put(std::uint16_t{0});   // internal attributes
      put(std::uint32_t{0});   // external attributes
      put(kZipIn64);
      raw(entry.name.data(), entry.name.size());
      zip64(entry.size, 24);
      put(entry.offset);
    }
    const auto end = position_;
    put(kZip64End);
    put(std::uint64_t{44});
    put(std::uint16_t{45});
    put(std::uint16_t{45});
    put(std::uint32_t{0});
    put(std::uint32_t{0});
    put(std::uint64_t{directory_.size()});
    put(std::uint64_t{directory_.size()});
    put(end - begin);
    put(begin);
    put(kZip64Locator);
    put(std::uint32_t{0});
    put(end);
    put(std::uint32_t{1});
    put(kZipEnd);
    put(std::uint32_t{0});
    put(std::uint32_t{0xFFFFFFFF});  // both counts
    put(kZipIn64);
    put(kZipIn64);
    put(std::uint16_t{0});
  }

 private:
  struct Written {
    std::string name;
    std::uint64_t offset, size;
    std::uint32_t crc;
  };

  /// The fields that local and central headers share, from "version needed" to the name's length.
  void common(std::uint32_t crc, const std::string& name) {
    put(std::uint16_t{45});     // needed to read: zip64
    put(std::uint16_t{0x800});  // names are UTF-8
    put(std::uint16_t{0});      // stored
    put(std::uint32_t{0});      // time and date
    put(crc);
    put(kZipIn64);
    put(kZipIn64);
    put(static_cast<std::uint16_t>(name.size()));
  }
  void zip64(std::uint64_t size, std::uint16_t length) {
    put(std::uint16_t{1});
    put(length);
    put(size);
    put(size);
  }
  template <typename Number>
  void put(Number number) {
    raw(&number, sizeof number);
  }
  void raw(const void* data, std::uint64_t size) {
    out_.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
    position_ += size;
  }

  std::ostream& out_;
  std::uint64_t position_ = 0;
  std::vector<Written> directory_;
};

}  // namespace pam::detail
