// SPDX-License-Identifier: MIT
/// A full disk for tests that may not mount one.
#pragma once

#include <csignal>

#include <sys/resource.h>

namespace pam::test {

/// Files may not grow beyond `bytes` while it lives: a write then fails with EFBIG, as it would with ENOSPC. Programs
/// that are started meanwhile inherit it.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit old_{};
  void (*old_handler_)(int);
};

}  // namespace pam::test
