// SPDX-License-Identifier: MIT
/// Tests of programs as their users meet them: processes with arguments, variables, files, exit codes and sentences.
#pragma once

#include <pam/images/image.hpp>
#include <pam/images/image_labels.hpp>
#include <pam/weights/safetensors.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace pam::test {

/// The program `name` beside the tests, or in $PAM_BIN_DIR; empty where it was not built.
inline std::filesystem::path program_named(const std::string& name) {
  const char* folder = std::getenv("PAM_BIN_DIR");
#ifdef PAM_BIN_DIR
  if (folder == nullptr) folder = PAM_BIN_DIR;
#endif
  const auto path = folder == nullptr ? std::filesystem::path() : std::filesystem::path(folder) / name;
  return std::filesystem::exists(path) ? path : std::filesystem::path();
}

/// How a program ended: its exit code, or 1000 + the signal that killed it.
struct ProgramEnd {
  int code = -1;
  std::string out, err;
};

using Variables = std::vector<std::pair<std::string, std::string>>;

/// A program that runs beside the test. Killed, if it still runs, at the end of the scope.
class ProgramRun {
 public:
  /// `before` runs in the new process, before the program.
  ProgramRun(const std::filesystem::path& program, const std::vector<std::string>& arguments,
             const Variables& variables = {}, const std::function<void()>& before = {}) {
    child_ = fork();
    if (child_ != 0) return;
    std::vector<std::string> words{program.string()};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    redirect(folder_ / "out", STDOUT_FILENO);
    redirect(folder_ / "err", STDERR_FILENO);
    setenv("OMP_NUM_THREADS", "1", 1);
    for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
    if (before) before();
    execv(argv[0], argv.data());
    _exit(127);
  }
  ProgramRun(const ProgramRun&) = delete;
  ProgramRun& operator=(const ProgramRun&) = delete;
  ~ProgramRun() {
    if (child_ > 0 && !ended_) {
      send(SIGKILL);
      waitpid(child_, nullptr, 0);
    }
  }

  void send(int signal) const { ::kill(child_, signal); }
  [[nodiscard]] std::filesystem::path out() const { return folder_ / "out"; }
  /// Waits for its end.
  ProgramEnd wait() {
    if (!ended_) waitpid(child_, &status_, 0);
    ended_ = true;
    return end();
  }
  /// True where it has ended.
  bool over() {
    if (!ended_) ended_ = waitpid(child_, &status_, WNOHANG) == child_;
    return ended_;
  }

 private:
  [[nodiscard]] ProgramEnd end() const {
    return {WIFEXITED(status_) ? WEXITSTATUS(status_) : 1000 + WTERMSIG(status_), text_of(folder_ / "out"),
            text_of(folder_ / "err")};
  }
  static void redirect(const std::filesystem::path& path, int descriptor) {
    const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(file, descriptor);
    close(file);
  }
  TempDir folder_;
  pid_t child_ = 0;
  int status_ = 0;
  bool ended_ = false;
};

/// Waits until `ready` or the program's end; false where neither came in a minute.
inline bool wait_until(ProgramRun& run, const std::function<bool()>& ready) {
  for (int i = 0; i < 6000; ++i) {
    if (ready() || run.over()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

inline ProgramEnd run_program_with(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                                   const Variables& variables = {}) {
  return ProgramRun(program, arguments, variables).wait();
}

/// images/ and labels/ of `cases` noisy pictures, 40 x 48, each with a brighter box that is label 3.
inline void make_pictures(const TempDir& folder, int cases) {
  for (const char* name : {"images", "labels"}) std::filesystem::create_directories(folder / name);
  for (int i = 0; i < cases; ++i) {
    auto image = (torch::arange(40 * 48) * (7919 + 2 * i) % 61 + 20).view({1, 40, 48});
    auto labels = torch::zeros({1, 40, 48}, torch::kByte);
    const auto box = [&](torch::Tensor t) { return t.narrow(1, 5 + i, 10).narrow(2, 4 + 2 * i, 9); };
    box(image).add_(120);
    box(labels).fill_(3);
    const auto name = "case" + std::to_string(i) + ".png";
    write_image(folder / "images" / name, image.to(torch::kByte));
    write_label_image(folder / "labels" / name, labels[0]);
  }
}

/// Options of a small training of unet on `make_pictures`, into folder / out; a later flag of `more` outranks an
/// earlier one.
inline std::vector<std::string> small_training(const TempDir& folder, const std::string& out,
                                               const std::vector<std::string>& more = {}) {
  std::vector<std::string> all{"--data",         folder.path().string(),
                               "--label-values", "3",
                               "--width",        "4",
                               "--threads",      "1",
                               "--epochs",       "4",
                               "--batch",        "2",
                               "--out",          (folder / out).string()};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

/// The first tensor that differs between two files of weights; empty where all are equal bit for bit.
inline std::string first_difference_of(const std::filesystem::path& a, const std::filesystem::path& b) {
  const auto left = read_safetensors(a).tensors, right = read_safetensors(b).tensors;
  if (left.size() != right.size()) return "the number of tensors";
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (left[i].first != right[i].first || !torch::equal(left[i].second, right[i].second)) return left[i].first;
  }
  return {};
}

}  // namespace pam::test

#define PAM_SKIP_WITHOUT(name) \
  if (pam::test::program_named(name).empty()) PAM_SKIP(name " was not built (set PAM_BIN_DIR to the folder it is in)")
