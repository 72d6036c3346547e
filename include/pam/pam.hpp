// SPDX-License-Identifier: MIT
/// Everything for building, training and scoring networks: the model side and the trainer, LibTorch alone.
/// What needs a component is included by name: <pam/io/...>, <pam/data/...>, <pam/report/...>; so are the zoo
/// (<pam/nets/zoo.hpp> instantiates every network) and training over several processes (<pam/train/process_group.hpp>).
/// A test (tests/headers/check_umbrella.cmake) keeps this list complete.
#pragma once

// IWYU pragma: begin_exports
#include <pam/attention/attended.hpp>
#include <pam/attention/attention_gate.hpp>
#include <pam/attention/cbam.hpp>
#include <pam/attention/false_positive_attention.hpp>
#include <pam/attention/gather_excite.hpp>
#include <pam/attention/global_context.hpp>
#include <pam/attention/reduction.hpp>
#include <pam/attention/reverse_false_negative_attention.hpp>
#include <pam/attention/spatial_channel_squeeze_excite.hpp>
#include <pam/attention/squeeze_excite.hpp>
#include <pam/core/autocast.hpp>
#include <pam/core/clone.hpp>
#include <pam/core/error.hpp>
#include <pam/core/inspect.hpp>
#include <pam/core/memory_format.hpp>
#include <pam/core/nearest.hpp>
#include <pam/core/options.hpp>
#include <pam/core/options_json.hpp>
#include <pam/core/precision.hpp>
#include <pam/core/prediction.hpp>
#include <pam/core/seed.hpp>
#include <pam/core/torch.hpp>
#include <pam/core/traits.hpp>
#include <pam/core/version.hpp>
#include <pam/kernels/autograd.hpp>
#include <pam/kernels/backend.hpp>
#include <pam/kernels/dice.hpp>
#include <pam/kernels/dilated_branch.hpp>
#include <pam/kernels/dispatch.hpp>
#include <pam/kernels/gate.hpp>
#include <pam/kernels/instance_norm.hpp>
#include <pam/kernels/upsample.hpp>
#include <pam/layers/conv_block.hpp>
#include <pam/layers/conv_norm_act.hpp>
#include <pam/layers/dilated_block.hpp>
#include <pam/losses/bce_loss.hpp>
#include <pam/losses/dice_bce_loss.hpp>
#include <pam/losses/dice_loss.hpp>
#include <pam/losses/focal_loss.hpp>
#include <pam/losses/loss_target.hpp>
#include <pam/losses/segmentation_loss.hpp>
#include <pam/losses/tversky_loss.hpp>
#include <pam/metrics/case_scores.hpp>
#include <pam/metrics/confusion.hpp>
#include <pam/metrics/distance_transform.hpp>
#include <pam/metrics/mask_border.hpp>
#include <pam/metrics/overlap.hpp>
#include <pam/metrics/score_summary.hpp>
#include <pam/metrics/statistics.hpp>
#include <pam/metrics/surface_distances.hpp>
#include <pam/nets/concat_skip.hpp>
#include <pam/nets/gated_skip.hpp>
#include <pam/nets/network.hpp>
#include <pam/nets/network_json.hpp>
#include <pam/nets/predict.hpp>
#include <pam/nets/receptive_field.hpp>
#include <pam/nets/unet.hpp>
#include <pam/train/checkpoint.hpp>
#include <pam/train/checkpointer.hpp>
#include <pam/train/communicator.hpp>
#include <pam/train/events.hpp>
#include <pam/train/fgsm.hpp>
#include <pam/train/fit.hpp>
#include <pam/train/fit_options.hpp>
#include <pam/train/fit_run.hpp>
#include <pam/train/gradient_buckets.hpp>
#include <pam/train/interrupt.hpp>
#include <pam/train/log.hpp>
#include <pam/train/loss_reader.hpp>
#include <pam/train/optimizer.hpp>
#include <pam/train/optimizer_state.hpp>
#include <pam/train/process_environment.hpp>
#include <pam/train/progress.hpp>
#include <pam/train/resume.hpp>
#include <pam/train/reversed_labels.hpp>
#include <pam/train/schedule.hpp>
#include <pam/train/socket.hpp>
#include <pam/train/stopwatch.hpp>
#include <pam/train/tensorboard.hpp>
// IWYU pragma: end_exports
