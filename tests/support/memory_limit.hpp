// SPDX-License-Identifier: MIT
/// A ceiling on what a scope may allocate, held by the kernel: RLIMIT_AS at today's address space plus `bytes`, so that
/// every larger allocation fails with std::bad_alloc or c10::Error, whoever asks for it.
#pragma once

#include <cstdint>
#include <fstream>

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define PAM_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PAM_ADDRESS_SANITIZER 1
#endif
#endif
#ifndef PAM_ADDRESS_SANITIZER
#define PAM_ADDRESS_SANITIZER 0
#endif

namespace pam::test {

constexpr bool kAddressSanitizer = PAM_ADDRESS_SANITIZER != 0;
/// False under the address sanitizer, whose shadow memory leaves no room for a limit; the scope then limits nothing.
constexpr bool kMemoryIsLimited = !kAddressSanitizer;

class MemoryLimit {
 public:
  explicit MemoryLimit(std::uint64_t bytes) {
    if (!kMemoryIsLimited) return;
    malloc_trim(0);  // what earlier tests freed must not serve as a hidden reserve
    std::uint64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    getrlimit(RLIMIT_AS, &before_);
    rlimit limit = before_;
    limit.rlim_cur = pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)) + bytes;
    active_ = setrlimit(RLIMIT_AS, &limit) == 0;
  }
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;
  ~MemoryLimit() {
    if (active_) setrlimit(RLIMIT_AS, &before_);
  }

 private:
  rlimit before_{};
  bool active_ = false;
};

}  // namespace pam::test
