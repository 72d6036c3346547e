// SPDX-License-Identifier: MIT
/// Labels for nets that train on the background (RFNA): 1 - label. A prediction is then p < 0.5.
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/torch.hpp>

#include <cstdint>

namespace pam {

/// `labels` (any shape, integer) with 0 and 1 swapped and `ignore` kept. Throws `Error` for any other value: with more
/// than one class "the reverse" has no meaning.
torch::Tensor reversed_labels(const torch::Tensor& labels, std::int64_t ignore = -1);

namespace detail {

/// The two halves of `reversed_labels`: reading the labels, which waits for the device that holds them, and swapping 0
/// and 1.
void check_binary_labels(const torch::Tensor& labels, std::int64_t ignore = -1);
torch::Tensor swapped_labels(const torch::Tensor& labels, std::int64_t ignore = -1);

}  // namespace detail

/// Throws `Error` unless `logits` has one channel, as reversed training needs.
void check_reversible(const torch::Tensor& logits);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/train/reversed_labels-inl.hpp>
#endif
