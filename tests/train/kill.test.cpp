// SPDX-License-Identifier: MIT
/// kill -9 at random moments. The environment variable PAM_KILLS sets how many (default 8).
#include <pam/train/fit.hpp>

#include <pam/weights/safetensors.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"
#include "train/fake_training.hpp"
#include "train/forks.hpp"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <random>
#include <thread>

namespace train_kill_test {

using namespace pam;
using namespace pam::test;

constexpr const char* kTestName = "a training that is killed at random moments resumes to the same weights";

/// The whole training: 4 epochs of 3 steps, saved after every step so that most kills hit a checkpoint being written.
void train(const std::filesystem::path& directory) {
  auto net = fake_net();
  FakeLoader loader(5);
  auto optimizer = make_adamw(net);
  FitOptions options;
  options.epochs = 4;
  options.accumulate = 2;
  options.schedule.kind = ScheduleKind::Cosine;
  options.schedule.warm_up = 2;
  options.directory = directory;
  options.resume = true;
  options.save_every_steps = 1;
  options.validate = [&](std::int64_t epoch) { return Validation(epoch == 2 ? 1.0 : 0.5); };
  check(fit(net, loader, fake_loss, optimizer, options).steps == 12, "the training has another length");
}

/// Runs `train` in a fork and kills it after `microseconds` (negative: lets it end). True where it ended by itself.
bool train_until(const std::filesystem::path& directory, std::int64_t microseconds) {
  const auto child = start_process([&] { train(directory); });
  if (microseconds >= 0) {
    std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
    ::kill(child, SIGKILL);
  }
  const int status = end_of(child);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) return false;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) throw Error("the training ended with an error");
  return true;
}

std::string compare(const std::filesystem::path& a, const std::filesystem::path& b) {
  for (const auto* name : {"last.safetensors", "best.safetensors"}) {
    const auto difference = first_difference(read_safetensors(a / name).tensors, read_safetensors(b / name).tensors);
    if (!difference.empty()) return std::string(name) + ": " + difference;
  }
  return "";
}

/// Forks the trainings: this process has no threads yet, which a fork would lose.
void kill_and_compare(std::int64_t wanted) {
  torch::set_num_threads(1);
  TempDir folder;
  const auto begin = std::chrono::steady_clock::now();
  REQUIRE(train_until(folder / "unbroken", -1));
  const auto whole =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin).count();
  std::mt19937_64 random(7);
  std::int64_t kills = 0, runs = 0;
  while (kills < wanted) {
    const auto directory = folder / fmt::format("run{}", runs++);
    // A killed run has done a part, so shorter and shorter leases: every moment of the training gets its turn.
    while (!train_until(directory, std::uniform_int_distribution<std::int64_t>(0, whole / 2)(random))) ++kills;
    REQUIRE(compare(directory, folder / "unbroken") == "");
  }
  std::cout << fmt::format("{} kills in {} trainings of {} ms each: weights equal\n", kills, runs, whole / 1000);
}

TEST_CASE(kTestName, "[train]") {
  const char* kills = std::getenv("PAM_KILLS");
  if (runs_alone()) return kill_and_compare(kills != nullptr ? std::atoll(kills) : 8);
  CHECK(run_alone(kTestName) == 0);
}

}  // namespace train_kill_test
