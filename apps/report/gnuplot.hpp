// SPDX-License-Identifier: MIT
/// Running gnuplot (Debian: gnuplot-nox) without a shell: script and output are files of a private temporary folder.
#pragma once

#include <pam/core/error.hpp>

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;  // NOLINT: POSIX declares it nowhere

namespace pam {
namespace detail {

/// A gnuplot string that is data and nothing else: single quotes know no backquote command and no escape.
inline std::string gnuplot_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += ' ';
    } else {
      out += c == '\'' ? std::string("''") : std::string(1, c);
    }
  }
  return out + "'";
}

/// A finite number as gnuplot reads it, else "NaN", which it leaves out.
inline std::string gnuplot_number(double value) { return std::isfinite(value) ? fmt::format("{:.10g}", value) : "NaN"; }

/// A folder of its own, removed at the end of the scope.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::error_code error;
    const auto temporary = std::filesystem::temp_directory_path(error);
    const char* named = std::getenv("TMPDIR");
    check(!error, "{}: cannot be used for temporary files: {}; set TMPDIR to a folder you may write to",
          named != nullptr ? named : "/tmp", error.message());
    auto name = (temporary / "pam-XXXXXX").string();
    check(mkdtemp(name.data()) != nullptr,
          "{}: no temporary folder can be made there: {}; set TMPDIR to a folder you may write to", name,
          std::strerror(errno));
    path_ = name;
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::filesystem::path file(const char* name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// Runs `program -d` (found on PATH) with the three standard streams on files. Its exit status; -1 where it cannot
/// start.
inline int run_on_files(const char* program, const std::filesystem::path& in, const std::filesystem::path& out,
                        const std::filesystem::path& error) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, in.c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, error.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  std::string name = program;
  std::string defaults = "-d";  // gnuplot: the user's ~/.gnuplot must not change the picture
  char* arguments[] = {name.data(), defaults.data(), nullptr};
  pid_t child = 0;
  const int started = posix_spawnp(&child, program, &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (started != 0) return -1;
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// What gnuplot draws of `script`. Throws `Error` where it fails, and where the drawing does not end with `ending`:
/// gnuplot ends with status 0 on a full disk too, and half an SVG would swallow the page that it stands in.
inline std::string gnuplot_drawing(const std::string& script, const std::string& ending) {
  const ScratchFolder scratch;
  constexpr const char* remedy = "is its disk full? Free some space, or set TMPDIR to another folder";
  std::ofstream out(scratch.file("script"), std::ios::binary);
  out << script << std::flush;
  check(out.good(), "{}: gnuplot's script cannot be written: {}; {}", scratch.file("script").string(),
        std::strerror(errno), remedy);
  out.close();
  const int status = run_on_files("gnuplot", scratch.file("script"), scratch.file("chart"), scratch.file("error"));
  check(status == 0, "gnuplot failed (status {}): {}", status, read_text(scratch.file("error")).substr(0, 500));
  auto drawing = read_text(scratch.file("chart"));
  const auto end = drawing.find_last_not_of(" \n") + 1;
  check(end >= ending.size() && drawing.compare(end - ending.size(), ending.size(), ending) == 0,
        "{}: gnuplot's drawing breaks off after {} bytes; {}", scratch.file("chart").string(), drawing.size(), remedy);
  return drawing;
}

}  // namespace detail

/// True where gnuplot can be run. Checked once per process.
[[nodiscard]] inline bool have_gnuplot() {
  static const bool found = detail::run_on_files("gnuplot", "/dev/null", "/dev/null", "/dev/null") == 0;
  return found;
}

/// What programs print, and reports show in place of a chart, where gnuplot is missing.
constexpr const char* kNoGnuplot =
    "No charts: gnuplot is not installed (Debian: apt-get install gnuplot-nox). The numbers are in the tables and CSV "
    "files.";

}  // namespace pam
