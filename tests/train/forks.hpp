// SPDX-License-Identifier: MIT
/// Tests of several processes. A process with threads must not fork and continue (LibTorch has some after its first
/// parallel operation), so such a test starts itself anew, alone, and forks there.
#pragma once

#include "support/catch.hpp"
#include "support/files.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace pam::test {

/// Whether this process was started by `run_alone`, which then knows that its test case did run.
inline bool runs_alone() {
  const char* marker = std::getenv("PAM_TEST_ALONE");
  if (marker != nullptr) std::ofstream(marker) << "ran";
  return marker != nullptr;
}

/// Runs the test case `name` in a fresh process: 0 where it ran and passed.
/// Use: `if (!runs_alone()) { CHECK(run_alone(kName) == 0); return; }`
inline int run_alone(const std::string& name) {
  const TempDir folder;
  const auto marker = (folder / "marker").string();
  std::string filter;  // Catch takes a comma for "or"
  for (const char c : name) filter += c == ',' ? "\\," : std::string(1, c);
  const auto child = fork();
  if (child == 0) {
    setenv("PAM_TEST_ALONE", marker.c_str(), 1);
    execl("/proc/self/exe", "pam_tests", filter.c_str(), static_cast<char*>(nullptr));
    _exit(9);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return std::filesystem::exists(marker) ? status : -1;
}

/// Forks a process that runs `act`; it ends with 0, or with 2 and the exception's message in `file`.
inline pid_t start_process(const std::function<void()>& act, const std::filesystem::path& file = "/dev/stderr") {
  const auto child = fork();
  if (child != 0) return child;
  int status = 0;
  try {
    act();
  } catch (const std::exception& error) {
    std::ofstream(file) << error.what() << std::endl;
    status = 2;
  }
  _exit(status);
}

/// The wait status of `process`.
inline int end_of(pid_t process) {
  int status = 0;
  waitpid(process, &status, 0);
  return status;
}

/// Runs `act(rank)` in `count` forked processes; returns their messages: "" where one ended well.
inline std::vector<std::string> run_ranks(int count, const std::function<void(int)>& act) {
  const TempDir folder;
  std::vector<pid_t> processes;
  for (int rank = 0; rank < count; ++rank) {
    processes.push_back(start_process([&] { act(rank); }, folder / std::to_string(rank)));
  }
  std::vector<std::string> messages;
  for (int rank = 0; rank < count; ++rank) {
    const int status = end_of(processes[static_cast<std::size_t>(rank)]);
    std::ostringstream message;
    message << std::ifstream(folder / std::to_string(rank)).rdbuf();
    const bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    messages.push_back(well ? "" : message.str() + " (wait status " + std::to_string(status) + ")");
  }
  return messages;
}

/// A TCP port of loopback that was free a moment ago.
inline std::uint16_t free_port() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(descriptor, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(descriptor);
  return ntohs(address.sin_port);
}

}  // namespace pam::test
