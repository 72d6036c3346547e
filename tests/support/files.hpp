// SPDX-License-Identifier: MIT
/// Files of tests: a temporary directory that removes itself, and the developers' ../shared folder where it is present.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include <unistd.h>

namespace pam::test {

/// A fresh directory, removed with its contents at the end of the scope.
class TempDir {
 public:
  TempDir() {
    auto name = (std::filesystem::temp_directory_path() / "pam-test-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory can be made at " + name);
    path_ = name;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// An environment variable for the time of a scope.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    setenv(name, value.c_str(), 1);
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;
  ~Variable() {
    if (old_) {
      setenv(name_, old_->c_str(), 1);
    } else {
      unsetenv(name_);
    }
  }

 private:
  const char* name_;
  std::optional<std::string> old_;
};

/// A file with `text`, and its folders; empty files are enough where nothing is decoded.
inline void write_file(const std::filesystem::path& path, const std::string& text = "") {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

/// The whole file; empty where there is none.
inline std::string text_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The folder named by the environment variable PAM_SHARED, else `shared` beside the checkout; empty where neither
/// exists. Tests that need it PAM_SKIP by name when it is empty.
inline std::filesystem::path shared_dir() {
  if (const char* named = std::getenv("PAM_SHARED")) {
    return std::filesystem::is_directory(named) ? std::filesystem::path(named) : std::filesystem::path();
  }
#ifdef PAM_SOURCE_DIR
  const auto beside = std::filesystem::path(PAM_SOURCE_DIR).parent_path() / "shared";
  if (std::filesystem::is_directory(beside / "golden")) return beside;
#endif
  return {};
}

}  // namespace pam::test
