// SPDX-License-Identifier: MIT
/// The same networks in Python (benchmarks/torch_peer.py): a process beside pam_bench that receives requests by a pipe.
#pragma once

#include <pam/core/error.hpp>

#include <nlohmann/json.hpp>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace pam::bench {

/// Starts `python script --serve`. Throws `Error` if it does not answer; its own messages go to standard error.
class Peer {
 public:
  Peer(const std::string& python, const std::string& script, int threads) {
    check(std::filesystem::exists(script),
          "{}: the peer's script is not there; run pam_bench from a checkout of pam, or name the script in "
          "PAM_TORCH_PEER",
          script);
    int ends[2];
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "pam_bench: no socket for the peer");
    process_ = fork();
    check(process_ >= 0, "pam_bench: cannot start {}", python);
    if (process_ == 0) {
      dup2(ends[1], 0);
      dup2(ends[1], 1);
      // The malloc thresholds that pam's programs set for themselves, so that the rival has them too.
      setenv("MALLOC_MMAP_THRESHOLD_", "1073741824", 0);
      setenv("MALLOC_TRIM_THRESHOLD_", "4294967296", 0);
      setenv("MALLOC_TOP_PAD_", "268435456", 0);
      execlp(python.c_str(), python.c_str(), script.c_str(), "--serve", nullptr);
      _exit(127);
    }
    close(ends[1]);
    to_ = fdopen(ends[0], "w");
    from_ = fdopen(dup(ends[0]), "r");
    python_ = python;
    const auto answer = ask({{"op", "hello"}, {"threads", threads}});
    version_ = answer.at("torch").get<std::string>();
    isa_ = answer.at("isa").get<std::string>();
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() {
    std::fclose(from_);
    std::fclose(to_);  // the end of its input ends it
    if (process_ > 0) waitpid(process_, nullptr, 0);
  }

  nlohmann::json ask(const nlohmann::json& request) {
    const auto text = request.dump() + "\n";
    std::string answer;
    if (std::fwrite(text.data(), 1, text.size(), to_) == text.size() && std::fflush(to_) == 0) {
      for (int c = std::fgetc(from_); c != EOF && c != '\n'; c = std::fgetc(from_)) answer += static_cast<char>(c);
    }
    auto json = nlohmann::json::parse(answer, nullptr, /*allow_exceptions=*/false);
    check(json.is_object(), "pam_bench: the peer does not answer; --peer needs a Python with torch (got '{}')",
          python_);
    return json;
  }

  /// Python's torch.
  [[nodiscard]] const std::string& version() const { return version_; }
  /// The vector instructions of its torch.compile on the CPU; without them the rival would be a weak one.
  [[nodiscard]] const std::string& isa() const { return isa_; }

 private:
  pid_t process_ = -1;
  std::FILE *to_ = nullptr, *from_ = nullptr;
  std::string python_, version_, isa_;
};

}  // namespace pam::bench
