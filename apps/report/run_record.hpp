// SPDX-License-Identifier: MIT
/// `RunRecord`: what is needed to check and repeat a result: options, seed, versions, machine, data, time, and
/// how convolutions were computed.
#pragma once

#include <pam/core/atomic_file.hpp>
#include <pam/core/error.hpp>
#include <pam/core/version.hpp>
#include <pam/kernels/conv3x3.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

namespace pam::apps {

namespace detail {

/// FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/): distinguishes data; not cryptographic.
class Fnv1a {
 public:
  void add(const void* data, std::size_t size) {
    const auto* bytes = static_cast<const unsigned char*>(data);
    for (std::size_t i = 0; i < size; ++i) hash_ = (hash_ ^ bytes[i]) * 0x100000001b3ULL;
  }
  void add(const std::string& text) {
    const std::uint64_t size = text.size();
    add(&size, sizeof size);
    add(text.data(), text.size());
  }
  [[nodiscard]] std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325ULL;
};

inline void add_file(Fnv1a& hash, const std::filesystem::path& path) {
  constexpr std::uint64_t kEnd = 64 * 1024;
  std::ifstream in(path, std::ios::binary);
  check(in.is_open(), "{}: cannot be opened for the data fingerprint: {}", path.string(), std::strerror(errno));
  const std::uint64_t size = std::filesystem::file_size(path);
  hash.add(&size, sizeof size);
  std::vector<char> block(kEnd);
  const auto read = [&](std::uint64_t at) {
    in.seekg(static_cast<std::streamoff>(at));
    in.read(block.data(), static_cast<std::streamsize>(std::min(kEnd, size - at)));
    hash.add(block.data(), static_cast<std::size_t>(in.gcount()));
  };
  read(0);
  if (size > kEnd) read(std::max(kEnd, size - kEnd));
}

/// The value behind "key : value" in a file of /proc; empty where there is none.
inline std::string proc_value(const char* file, const std::string& key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.rfind(key, 0) != 0) continue;
    const auto colon = line.find(':');
    const auto start = colon == std::string::npos ? colon : line.find_first_not_of(" \t", colon + 1);
    return start == std::string::npos ? std::string() : line.substr(start);
  }
  return {};
}

inline std::string compiler_name() {
#if defined(__clang__)
  return std::string("clang ") + __clang_version__;
#elif defined(__GNUC__)
  return std::string("g++ ") + __VERSION__;
#else
  return "unknown";
#endif
}

}  // namespace detail

/// A file of the data, and a number that changes when it is resized, or changed in its first or last 64 KiB.
struct FileFingerprint {
  std::filesystem::path path;
  std::uint64_t hash = 0;
};

/// Of each of `files`, in their order. Throws `Error` for unreadable files.
[[nodiscard]] inline std::vector<FileFingerprint> file_fingerprints(const std::vector<std::filesystem::path>& files) {
  std::vector<FileFingerprint> fingerprints;
  for (const auto& file : files) {
    detail::Fnv1a hash;
    detail::add_file(hash, file);
    fingerprints.push_back({file, hash.value()});
  }
  return fingerprints;
}

/// 16 hexadecimal digits that change when a file is added, removed, renamed, resized, or changed in its first or last
/// 64 KiB (so that hundreds of volumes take a moment, not minutes). The order of `files` does not matter; only file
/// names enter, not their folders, so a copied data set keeps its fingerprint.
[[nodiscard]] inline std::string data_fingerprint(const std::vector<FileFingerprint>& files) {
  std::vector<std::pair<std::string, std::uint64_t>> parts;
  for (const auto& file : files) parts.emplace_back(file.path.filename().string(), file.hash);
  std::sort(parts.begin(), parts.end());
  detail::Fnv1a all;
  for (const auto& [name, hash] : parts) {
    all.add(name);
    all.add(&hash, sizeof hash);
  }
  return fmt::format("{:016x}", all.value());
}

[[nodiscard]] inline std::string data_fingerprint(const std::vector<std::filesystem::path>& files) {
  return data_fingerprint(file_fingerprints(files));
}

/// "2026-11-23T18:55:02Z": a moment in UTC.
[[nodiscard]] inline std::string utc_time(std::chrono::system_clock::time_point moment) {
  const auto seconds = std::chrono::system_clock::to_time_t(moment);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

/// Versions of pam, LibTorch, compiler and C++ standard of this program.
[[nodiscard]] inline nlohmann::json versions_json() {
  return {{"pam", PAM_VERSION},
          {"libtorch", TORCH_VERSION},
          {"compiler", detail::compiler_name()},
          {"cxx_standard", static_cast<std::int64_t>(__cplusplus)}};
}

/// CPU model, cores, memory, LibTorch's thread count and, where present, the number of CUDA devices.
[[nodiscard]] inline nlohmann::json machine_json() {
  auto cpu = detail::proc_value("/proc/cpuinfo", "model name");
  if (cpu.empty()) cpu = "unknown";
  char host[256] = "";
  static_cast<void>(gethostname(host, sizeof host - 1));
  return {{"host", host},
          {"cpu", cpu},
          {"cores", static_cast<std::int64_t>(std::thread::hardware_concurrency())},
          {"memory", detail::proc_value("/proc/meminfo", "MemTotal")},
          {"torch_threads", at::get_num_threads()},
          {"cuda_devices", static_cast<std::int64_t>(torch::cuda::device_count())}};
}

/// The record of one run. Constructed when the run starts; `write` adds the time that has passed.
class RunRecord {
 public:
  /// `program` as called ("train --demo"); `options` as JSON, every one of them.
  RunRecord(std::string program, nlohmann::json options, std::uint64_t seed)
      : started_(std::chrono::system_clock::now()), steady_(std::chrono::steady_clock::now()) {
    json_ = {{"program", std::move(program)}, {"options", std::move(options)}, {"seed", seed},
             {"versions", versions_json()},   {"machine", machine_json()},     {"started", utc_time(started_)},
             {"convolution", kernels::convolution_in_use()}};
  }

  /// Fingerprint, number and folder of what the run reads.
  RunRecord& data(const std::vector<FileFingerprint>& files, const std::string& description) {
    json_["data"] = {{"description", description},
                     {"files", static_cast<std::int64_t>(files.size())},
                     {"fingerprint", data_fingerprint(files)}};
    return *this;
  }
  RunRecord& data(const std::vector<std::filesystem::path>& files, const std::string& description) {
    return data(file_fingerprints(files), description);
  }
  /// Adds or replaces any other entry.
  RunRecord& set(const std::string& key, nlohmann::json value) {
    json_[key] = std::move(value);
    return *this;
  }
  /// Seconds since construction.
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - steady_).count();
  }
  /// The record up to now: "finished" and "wall_seconds" are of this moment.
  [[nodiscard]] nlohmann::json json() const {
    auto json = json_;
    json["finished"] = utc_time(std::chrono::system_clock::now());
    json["wall_seconds"] = seconds();
    return json;
  }
  /// Writes the record, atomically.
  void write(const std::filesystem::path& path) const {
    const auto text = json().dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
    write_atomically(path, text + "\n");
  }

 private:
  std::chrono::system_clock::time_point started_;
  std::chrono::steady_clock::time_point steady_;
  nlohmann::json json_;
};

}  // namespace pam::apps
