// SPDX-License-Identifier: MIT
/// Ctrl-C and SIGTERM as a flag that a loop checks at a safe point, instead of the end of the process.
#pragma once

#include <atomic>
#include <csignal>

namespace pam {
namespace detail {

inline std::atomic<int> interrupt_signal{0};
inline std::atomic<int> interrupt_scopes{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may touch lock-free atomics only");

extern "C" inline void pam_on_interrupt(int signal) {
  const int before = interrupt_signal.exchange(signal);
  // After a second Ctrl-C the user does not want to wait: end as a process without a handler does. A SIGTERM after
  // a Ctrl-C does not mean that: torchrun sends one to each of its processes.
  if (signal != SIGINT || before != SIGINT) return;
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

}  // namespace detail

/// During its lifetime SIGINT and SIGTERM only set `interrupted()`, and a second SIGINT kills. The end of the outermost
/// scope restores the earlier handlers. Scopes nest; a program that runs several trainings opens one around all of
/// them. Two threads must not open and close scopes at the same time.
class InterruptScope {
 public:
  InterruptScope() : outermost_(detail::interrupt_scopes++ == 0) {
    if (!outermost_) return;
    detail::interrupt_signal = 0;
    struct sigaction action {};
    action.sa_handler = detail::pam_on_interrupt;
    action.sa_flags = SA_RESTART;  // a signal must not fail a write of the checkpoint
    sigemptyset(&action.sa_mask);
    install(SIGINT, action, old_interrupt_);
    install(SIGTERM, action, old_terminate_);
  }
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;
  ~InterruptScope() {
    --detail::interrupt_scopes;
    if (!outermost_) return;
    sigaction(SIGINT, &old_interrupt_, nullptr);
    sigaction(SIGTERM, &old_terminate_, nullptr);
  }

 private:
  /// A signal that the process ignores (nohup, a shell's background job) stays ignored.
  static void install(int signal, const struct sigaction& action, struct sigaction& old) {
    sigaction(signal, nullptr, &old);
    if (old.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);
  }

  bool outermost_;
  struct sigaction old_interrupt_ {
  }, old_terminate_{};
};

/// The signal that the current (or last) `InterruptScope` caught, or 0.
[[nodiscard]] inline int interrupted() { return detail::interrupt_signal; }

}  // namespace pam
