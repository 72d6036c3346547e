// SPDX-License-Identifier: MIT
/// Counts how often a program opens the files of a folder, as Linux tells it.
#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <string>

#include <sys/inotify.h>
#include <unistd.h>

namespace pam::test {

/// Watches `folder`, not those in it, from the constructor on.
class OpenCounter {
 public:
  explicit OpenCounter(const std::filesystem::path& folder) : descriptor_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
    // Closing is watched so that no two events of opening follow each other: Linux would join them.
    if (inotify_add_watch(descriptor_, folder.c_str(), IN_OPEN | IN_CLOSE) < 0) {
      throw std::runtime_error("cannot watch " + folder.string());
    }
  }
  OpenCounter(const OpenCounter&) = delete;
  OpenCounter& operator=(const OpenCounter&) = delete;
  ~OpenCounter() { close(descriptor_); }

  /// By file name, since the last call.
  [[nodiscard]] std::map<std::string, int> counts() const {
    std::map<std::string, int> found;
    alignas(inotify_event) std::array<char, 1 << 14> events{};
    for (ssize_t size = 0; (size = read(descriptor_, events.data(), events.size())) > 0;) {
      for (ssize_t at = 0; at < size;) {
        const auto* event = reinterpret_cast<const inotify_event*>(events.data() + at);
        if (event->len > 0 && (event->mask & IN_OPEN) != 0 && (event->mask & IN_ISDIR) == 0) ++found[event->name];
        at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      }
    }
    return found;
  }

 private:
  int descriptor_;
};

}  // namespace pam::test
