// SPDX-License-Identifier: MIT
/// The definitions of fit_options.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/train/fit_options.hpp>

#include <cmath>

namespace pam {

PAM_FUNC void check_fit_options(const FitOptions& options, std::int64_t total_steps) {
  const auto at_least = [](const char* name, auto value, auto low) {
    check(value >= low && std::isfinite(static_cast<double>(value)), "fit: {} must be at least {}, got {}", name, low,
          value);
  };
  at_least("epochs", options.epochs, std::int64_t{1});
  at_least("batches_per_epoch", options.batches_per_epoch, std::int64_t{0});
  at_least("clip_norm", options.clip_norm, 0.0);
  at_least("accumulate", options.accumulate, std::int64_t{1});
  at_least("patience", options.patience, std::int64_t{0});
  at_least("validate_every", options.validate_every, std::int64_t{1});
  at_least("save_every_epochs", options.save_every_epochs, std::int64_t{0});
  at_least("save_every_steps", options.save_every_steps, std::int64_t{0});
  at_least("save_every_seconds", options.save_every_seconds, 0.0);
  at_least("read_loss_every", options.read_loss_every, std::int64_t{1});
  at_least("loss_scale", options.loss_scale, 0.0);
  at_least("loss_scale_interval", options.loss_scale_interval, std::int64_t{1});
  at_least("seed", options.seed, std::int64_t{0});
  check(options.patience == 0 || options.validate,
        "fit: patience {} needs a validate callback, whose score it watches; give one or set patience to 0",
        options.patience);
  check(!options.resume || !options.directory.empty(), "fit: resume needs a directory, where the checkpoint is");
  check_schedule(options.schedule, total_steps);
}

}  // namespace pam
