// SPDX-License-Identifier: MIT
#include <pam/train/interrupt.hpp>

#include <pam/train/checkpoint.hpp>
#include <pam/weights/safetensors.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"
#include "train/fake_training.hpp"

#include <csignal>

#include <sys/wait.h>

namespace train_interrupt_test {

using namespace pam;
using namespace pam::test;

/// A test run in the background may ignore SIGINT; these tests need the default while they last.
class DefaultSignal {
 public:
  explicit DefaultSignal(int signal) : signal_(signal), old_(std::signal(signal, SIG_DFL)) {}
  ~DefaultSignal() { std::signal(signal_, old_); }

 private:
  int signal_;
  void (*old_)(int);
};

/// What becomes of a process that runs `act`: its wait status.
template <typename Act>
int in_child(Act act) {
  const auto child = fork();
  if (child == 0) {
    act();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

TEST_CASE("Ctrl-C and SIGTERM finish the step, save, and the resumed run ends as the unbroken one", "[train]") {
  const int signal = GENERATE(SIGINT, SIGTERM);
  const DefaultSignal def(signal);
  TempDir folder;
  const auto train = [&](const std::string& name, std::int64_t raise_at, StateDict& weights) {
    auto net = fake_net();
    FakeLoader loader(4);
    auto optimizer = make_adamw(net);
    FitOptions options;
    options.epochs = 2;
    options.directory = folder / name;
    options.resume = true;
    options.catch_signals = true;
    std::vector<StopReason> reasons;
    const auto result = fit(net, loader, fake_loss, optimizer, options, [&](const Event& event) {
      if (const auto* step = std::get_if<StepEnd>(&event); step && step->step == raise_at) std::raise(signal);
      if (const auto* stopped = std::get_if<Stopped>(&event)) reasons.push_back(stopped->reason);
    });
    REQUIRE(reasons.size() == 1);
    CHECK(reasons[0] == result.reason);
    weights = copy_of_weights(net);
    return result;
  };
  StateDict unbroken, broken;
  train("unbroken", -1, unbroken);
  const auto first = train("broken", 3, broken);
  CHECK(first.reason == StopReason::Interrupted);
  CHECK(first.steps == 3);
  CHECK(first_difference(read_safetensors(folder / "broken" / "last.safetensors").tensors, broken) == "");
  const auto second = train("broken", -1, broken);
  CHECK(second.reason == StopReason::Completed);
  CHECK(first_difference(broken, unbroken) == "");
}

TEST_CASE("an interrupt in validation is obeyed once the epoch is saved", "[train]") {
  const DefaultSignal def(SIGINT);
  TempDir folder;
  auto net = fake_net();
  FakeLoader loader(2);
  auto optimizer = make_adamw(net);
  FitOptions options;
  options.epochs = 3;
  options.directory = folder.path();
  options.save_every_epochs = 0;
  options.catch_signals = true;
  options.validate = [](std::int64_t) {
    std::raise(SIGINT);
    return 1.0;
  };
  const auto result = fit(net, loader, fake_loss, optimizer, options);
  CHECK(result.reason == StopReason::Interrupted);
  CHECK(result.epochs == 1);
  CHECK(read_training_state(folder.path()).progress.epoch == 1);
}

TEST_CASE("fit leaves the signal handlers alone unless it is asked to catch signals", "[train]") {
  static int seen;
  seen = 0;
  const auto old = std::signal(SIGINT, [](int) { ++seen; });
  auto net = fake_net();
  FakeLoader loader(2);
  auto optimizer = make_adamw(net);
  const auto result = fit(net, loader, fake_loss, optimizer, FitOptions(), [](const Event& event) {
    if (std::holds_alternative<StepEnd>(event)) std::raise(SIGINT);
  });
  std::signal(SIGINT, old);
  CHECK(result.reason == StopReason::Completed);
  CHECK(seen == 2);
}

TEST_CASE("after the scope the old handlers are back, and an outer scope stays in force", "[train]") {
  const DefaultSignal def(SIGINT);
  static int seen;
  seen = 0;
  const auto old = std::signal(SIGINT, [](int) { ++seen; });
  {
    const InterruptScope outer;
    {
      const InterruptScope inner;
      std::raise(SIGINT);
    }
    CHECK(interrupted() == SIGINT);  // the program around the training learns of it
    CHECK(seen == 0);
  }
  std::raise(SIGINT);
  CHECK(seen == 1);
  std::signal(SIGINT, old);
  const InterruptScope fresh;
  CHECK(interrupted() == 0);
}

TEST_CASE("a second Ctrl-C kills, a SIGTERM after a Ctrl-C does not", "[train]") {
  const DefaultSignal def_int(SIGINT), def_term(SIGTERM);
  const auto twice = in_child([] {
    const InterruptScope scope;
    std::raise(SIGINT);
    std::raise(SIGINT);
  });
  CHECK(WIFSIGNALED(twice));
  CHECK(WTERMSIG(twice) == SIGINT);
  const auto both = in_child([] {
    const InterruptScope scope;
    std::raise(SIGINT);
    std::raise(SIGTERM);
    std::raise(SIGTERM);
  });
  CHECK(WIFEXITED(both));
}

TEST_CASE("a signal that the process ignores stays ignored", "[train]") {
  const auto old = std::signal(SIGINT, SIG_IGN);
  {
    const InterruptScope scope;
    std::raise(SIGINT);
    CHECK(interrupted() == 0);
  }
  std::signal(SIGINT, old);
}

}  // namespace train_interrupt_test
