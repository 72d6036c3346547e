// SPDX-License-Identifier: MIT
/// Compiled kernels on disk, under $XDG_CACHE_HOME/pam or ~/.cache/pam, so that later processes need not wait for the
/// compiler. A cache must never break a program: an entry that cannot be read, or is damaged, is ignored.
#pragma once

#include <pam/core/cache_folder.hpp>

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

namespace pam::kernels::cuda {

/// FNV-1a, 64 bits, as 16 hexadecimal digits.
inline std::string fingerprint(const std::string& text) {
  std::uint64_t hash = 14695981039346656037ull;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  std::string result;
  for (int shift = 60; shift >= 0; shift -= 4) result += "0123456789abcdef"[(hash >> shift) & 15];
  return result;
}

class CodeCache {
 public:
  explicit CodeCache(std::filesystem::path folder = cache_folder()) : folder_(std::move(folder)) {}

  /// `key` names everything that the code depends on: source, options, architecture, versions.
  [[nodiscard]] std::optional<std::string> read(const std::string& key) const {
    if (folder_.empty()) return std::nullopt;
    std::ifstream stream(path_of(key), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
    const auto head = header(key);
    if (text.size() <= head.size() + 16 || text.compare(0, head.size(), head) != 0) return std::nullopt;
    const auto code = text.substr(head.size() + 16);
    if (text.compare(head.size(), 16, fingerprint(code)) != 0) return std::nullopt;
    return code;
  }

  /// Writes a temporary file and renames it over the old one: a reader sees all of it or nothing.
  void write(const std::string& key, const std::string& code) const {
    if (folder_.empty() || code.empty()) return;
    std::error_code ignored;
    std::filesystem::create_directories(folder_, ignored);
    const auto target = path_of(key);
    auto part = target.string() + ".XXXXXX";
    const int file = mkstemp(part.data());
    if (file < 0) return;
    close(file);
    std::ofstream stream(part, std::ios::binary);
    stream << header(key) << fingerprint(code) << code;
    stream.close();
    if (stream) std::filesystem::rename(part, target, ignored);
    std::filesystem::remove(part, ignored);
  }

  [[nodiscard]] std::filesystem::path path_of(const std::string& key) const {
    return folder_ / ("kernels-" + fingerprint(key) + ".bin");
  }

 private:
  // Two keys may share a fingerprint; the length and a second one, of the key backwards, tell them apart.
  static std::string header(const std::string& key) {
    return "pam kernels 1\n" + std::to_string(key.size()) + " " + fingerprint(std::string(key.rbegin(), key.rend())) +
           "\n";
  }

  std::filesystem::path folder_;
};

}  // namespace pam::kernels::cuda
