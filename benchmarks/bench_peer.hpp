// SPDX-License-Identifier: MIT
/// `Peer`: a process of benchmarks/peer.py beside pam_bench, which computes pam's networks in PyTorch or in another
/// engine. It receives requests by a pipe.
#pragma once

#include <pam/core/error.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>

#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace pam::bench {

/// Runs `python script --serve MODE`. What fails is an answer, {"failed": reason}, not an exception: one engine that is
/// missing, crashes or takes too long must not end the measurement of the others.
class Peer {
 public:
  /// The process is started by the first request, and computes with `threads` threads. Throws `Error` where there is no
  /// `script`.
  Peer(std::string python, std::string script, std::string mode, int threads)
      : python_(std::move(python)), script_(std::move(script)), mode_(std::move(mode)), threads_(threads) {
    check(std::filesystem::exists(script_),
          "{}: the peers' script is not there; run pam_bench from a checkout of pam, or name the script in PAM_PEER",
          script_);
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() { end(); }

  /// The answer to `request`. Where it takes longer than `limit` seconds, the process and those that it has started (a
  /// compiler) are killed; the next request starts another, which has loaded nothing.
  nlohmann::json ask(const nlohmann::json& request, double limit) {
    const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(limit));
    if (process_ < 0) {
      start();
      const auto hello = exchange({{"op", "hello"}, {"threads", threads_}}, until, limit);
      if (hello.contains("failed")) {
        end();
        return hello;
      }
      version_ = hello.value("version", "");
    }
    return exchange(request, until, limit);
  }

  [[nodiscard]] const std::string& mode() const { return mode_; }
  /// What computes there: "onnxruntime 1.23.2"; empty before the first answer.
  [[nodiscard]] const std::string& version() const { return version_; }
  /// How often the process was started.
  [[nodiscard]] int starts() const { return starts_; }

 private:
  using Clock = std::chrono::steady_clock;

  static nlohmann::json failed(const std::string& reason) { return {{"failed", reason}}; }

  void start() {
    int ends[2];
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "pam_bench: no socket for the peer");
    process_ = fork();
    check(process_ >= 0, "pam_bench: cannot start {}", python_);
    if (process_ == 0) {
      setpgid(0, 0);  // a group, so that what it starts can be ended with it
      prctl(PR_SET_PDEATHSIG, SIGKILL);  // where pam_bench itself is killed
      dup2(ends[1], 0);
      dup2(ends[1], 1);
      // The malloc thresholds that pam's programs set for themselves, so that the rivals have them too.
      setenv("MALLOC_MMAP_THRESHOLD_", "1073741824", 0);
      setenv("MALLOC_TRIM_THRESHOLD_", "4294967296", 0);
      setenv("MALLOC_TOP_PAD_", "268435456", 0);
      setenv("OMP_NUM_THREADS", std::to_string(threads_).c_str(), 1);
      setenv("PYTHONWARNINGS", "ignore", 0);
      execlp(python_.c_str(), python_.c_str(), script_.c_str(), "--serve", mode_.c_str(), nullptr);
      _exit(127);
    }
    setpgid(process_, process_);
    close(ends[1]);
    socket_ = ends[0];
    ++starts_;
  }

  /// Ends the process, after `patience` milliseconds in which it may end by itself, and those that it has started; returns
  /// how it ended.
  std::string end(int patience = 0) {
    if (process_ < 0) return "";
    close(socket_);
    int status = 0;
    auto done = waitpid(process_, &status, WNOHANG);
    for (int waited = 0; done == 0 && waited < patience; waited += 10) {
      usleep(10'000);
      done = waitpid(process_, &status, WNOHANG);
    }
    kill(-process_, SIGKILL);
    if (done == 0) waitpid(process_, &status, 0);
    process_ = -1;
    buffer_.clear();
    return WIFEXITED(status) ? fmt::format("exit code {}", WEXITSTATUS(status))
                             : fmt::format("signal {}", WTERMSIG(status));
  }

  nlohmann::json exchange(const nlohmann::json& request, Clock::time_point until, double limit) {
    const auto text = request.dump() + "\n";
    for (std::size_t sent = 0; sent < text.size();) {
      const auto count = send(socket_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) return ended();
      sent += static_cast<std::size_t>(count);
    }
    auto line = buffer_.find('\n');
    while (line == std::string::npos) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
      pollfd wait{socket_, POLLIN, 0};
      if (left <= 0 || poll(&wait, 1, static_cast<int>(std::min<std::int64_t>(left, 1 << 30))) == 0) {
        end();
        return failed(fmt::format("took longer than {:g} s", limit));
      }
      char block[4096];
      const auto count = read(socket_, block, sizeof block);
      if (count <= 0) return ended();
      buffer_.append(block, static_cast<std::size_t>(count));
      line = buffer_.find('\n');
    }
    auto answer = nlohmann::json::parse(buffer_.substr(0, line), nullptr, /*allow_exceptions=*/false);
    buffer_.erase(0, line + 1);
    return answer.is_object() ? answer : failed("its answer is not a JSON object");
  }

  /// The answer where the other end of the pipe is closed.
  nlohmann::json ended() {
    const auto how = end(/*patience=*/2000);
    return failed(fmt::format("{} {} --serve {} ended without an answer ({})", python_, script_, mode_, how));
  }

  std::string python_, script_, mode_, version_;
  int threads_;
  pid_t process_ = -1;
  int socket_ = -1, starts_ = 0;
  std::string buffer_;  ///< read, and not yet answered
};

}  // namespace pam::bench
