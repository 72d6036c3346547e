// SPDX-License-Identifier: MIT
#include <pam/train/progress.hpp>

#include "support/catch.hpp"

#include <sstream>

namespace train_progress_test {

using namespace pam;
using Catch::Matchers::Contains;

/// Two epochs of ten steps, one second each, shown by a bar with a clock of its own.
std::string run(bool terminal, bool resumed = false, std::int64_t columns = 80) {
  std::ostringstream out;
  double now = 100;
  ProgressBar bar(
      out, terminal, [&] { return now; }, [&] { return columns; });
  Started started;
  started.resumed = resumed;
  started.epochs = 2;
  started.batches_per_epoch = 10;
  started.total_steps = 20;
  bar(started);
  for (std::int64_t step = 1; step <= 20; ++step) {
    now += 1;
    StepEnd end;
    end.epoch = (step - 1) / 10;
    end.batch = (step - 1) % 10 + 1;
    end.step = step;
    end.loss = 0.5;
    end.learning_rate = 1e-3;
    bar(end);
    if (step % 10 != 0) continue;
    EpochEnd epoch;
    epoch.epoch = step / 10;
    epoch.step = step;
    epoch.loss = 0.25;
    epoch.seconds = 10;
    epoch.data_wait_share = 0.031;
    epoch.validation = Validation(0.75, {{"iou", 0.5}});
    epoch.best = step == 10;
    bar(epoch);
  }
  bar(Stopped{});
  return out.str();
}

TEST_CASE("away from a terminal there is one line per epoch", "[train]") {
  const auto text = run(false);
  CHECK(text.find('\r') == std::string::npos);
  CHECK(std::count(text.begin(), text.end(), '\n') == 2);
  CHECK_THAT(text, Contains("epoch 1/2  loss 0.2500") && Contains("waited 3 %") && Contains("score 0.7500 (best)") &&
                       Contains("iou 0.5") && Contains("left 10 s"));  // ten steps of one second are left
}

TEST_CASE("on a terminal a bar moves with batch, loss and the time left", "[train]") {
  const auto text = run(true);
  CHECK_THAT(text, Contains("\repoch 1/2 [##########----------] 5/10  loss 0.5000  lr 0.001  left 15 s"));
  CHECK_THAT(text, Contains("[####################] 10/10"));
  CHECK(text.back() == '\n');
}

TEST_CASE("the moving line is narrower than the terminal: first the bar gives way, then the end of the text",
          "[train]") {
  const auto widest = [](const std::string& text) {
    std::size_t widest = 0;
    for (auto at = text.find("\repoch"); at != std::string::npos; at = text.find("\repoch", at + 1)) {
      const auto line = text.substr(at + 1, text.find_first_of("\033\n", at) - at - 1);
      if (line.find("images/s") == std::string::npos) widest = std::max(widest, line.size());
    }
    return widest;
  };
  CHECK(widest(run(true, false, 200)) == 72);  // with the whole bar
  CHECK(widest(run(true, false, 60)) == 59);
  CHECK_THAT(run(true, false, 60), Contains("\repoch 1/2 [####----] 5/10  loss 0.5000  lr 0.001  left 15 s\033[K"));
  CHECK_THAT(run(true, false, 50), Contains("\repoch 1/2 5/10  loss 0.5000  lr 0.001  left 15 s\033[K"));
  CHECK(widest(run(true, false, 20)) == 19);
}

TEST_CASE("a resumed run says where it continues", "[train]") {
  CHECK_THAT(run(false, true), Contains("resumed: 0 of 2 epochs and 0 of 10 batches"));
}

}  // namespace train_progress_test
