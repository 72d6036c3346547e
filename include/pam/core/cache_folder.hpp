// SPDX-License-Identifier: MIT
/// `cache_folder`: where pam keeps what can be computed again: compiled kernels, measurements of this machine.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace pam {

/// $XDG_CACHE_HOME/pam, else ~/.cache/pam (https://specifications.freedesktop.org/basedir-spec); it need not exist. Empty
/// if the environment names no home folder: then nothing is kept.
[[nodiscard]] inline std::filesystem::path cache_folder() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value != nullptr ? value : "");
  };
  if (const auto cache = variable("XDG_CACHE_HOME"); !cache.empty()) return std::filesystem::path(cache) / "pam";
  if (const auto home = variable("HOME"); !home.empty()) return std::filesystem::path(home) / ".cache" / "pam";
  return {};
}

}  // namespace pam
