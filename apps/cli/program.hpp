// SPDX-License-Identifier: MIT
/// What all programs of pam have in common: they read their options, set up the process, and end with one message and
/// exit code 2 on bad input.
#pragma once

#include <pam/core/error.hpp>

#include <CLI/CLI.hpp>

#include <cstdint>
#include <functional>

namespace pam::apps {

/// Exit codes: done, bad input or a failure with a message, stopped by Ctrl-C (128 + SIGINT).
constexpr int kDone = 0, kBadInput = 2, kInterrupted = 130;

/// Ctrl-C ended the work when there was nothing to save.
class Interrupted : public Error {
 public:
  using Error::Error;
};

/// What a message on standard error begins with: on a terminal, the characters that erase a progress bar; elsewhere
/// nothing.
const char* fresh_line();

/// Parses the command line, runs `body`, and returns the exit code. `pam::Error`, errors of LibTorch (without their
/// backtrace), of the file system and of the command line (with the nearest option's name) become one sentence on
/// standard error and `kBadInput`, `Interrupted` one and `kInterrupted`; `--help` prints and returns 0.
int run_program(CLI::App& app, int argc, char** argv, const std::function<int()>& body);

/// For work before the command line is parsed: runs `body` and handles its errors as `run_program` does.
int guarded(const std::function<int()>& body);

/// A message of the library with this program's flags in place of C++ fields: "--resample" for "CaseOptions::resample".
std::string with_flags(std::string sentence);

/// Makes LibTorch use `threads` threads (0: one per core, divided among the processes that train together), and glibc
/// keep large blocks: an activation that is unmapped after each use costs a page fault per page at the next.
void tune_process(std::int64_t threads);

}  // namespace pam::apps
