// SPDX-License-Identifier: MIT
/// `DataLoader`: batches of a `Dataset`, prepared ahead of time on worker threads.
/// Order, shuffling and augmentation are pure functions of (seed, epoch, sample index): the batches of an epoch are the
/// same for any number of threads, and a resumed run needs nothing but the epoch's number.
/// With several processes each draws from its own share of the cases (data/detail/case_shares.hpp).
#pragma once

#include <pam/core/error.hpp>
#include <pam/data/augment.hpp>
#include <pam/data/batch_source.hpp>
#include <pam/data/dataset.hpp>
#include <pam/data/detail/case_shares.hpp>
#include <pam/data/detail/random.hpp>
#include <pam/data/ordered_workers.hpp>
#include <pam/data/plane_size.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pam {

/// How a `DataLoader` makes batches.
struct LoaderOptions {
  std::int64_t batch_size = 1;
  std::int64_t workers = 2;  ///< threads; 0 = on the caller's thread
  std::int64_t ahead = 4;    ///< how many finished batches may wait for the consumer
  std::uint64_t seed = 0;
  bool shuffle = true;     ///< another order in every epoch
  bool drop_last = false;  ///< leave out a last batch that is not full
  AugmentOptions augment = {};
  PlaneSize crop_or_pad = {};  ///< crop or pad every sample around its centre to this size; not given = must be equal
  std::int64_t pad_label = kIgnoreLabel;  ///< the label of that padding (images: 0)
  bool pin_memory = false;                ///< page-locked batches, for quick copies to a GPU (needs one)
  std::int64_t rank = 0;  ///< this process among `world_size` that train together; batch_size is of each of them
  /// If above 1, each process gets whole cases that no other process has in the same epoch.
  std::int64_t world_size = 1;
};

/// Draws batches from `dataset`. Use: `loader.start_epoch(e); while (auto batch = loader.next()) …`.
class DataLoader final : public BatchSource {
 public:
  /// Throws `Error` for options out of range and for an empty data set.
  DataLoader(std::shared_ptr<const Dataset> dataset, const LoaderOptions& options)
      : dataset_(std::move(dataset)), options_(options) {
    check(dataset_ != nullptr && dataset_->size() > 0, "data loader: the data set is empty");
    check(options_.batch_size >= 1, "data loader: batch_size must be at least 1, got {}", options_.batch_size);
    check(options_.workers >= 0 && options_.workers <= 256, "data loader: workers must be 0 to 256, got {}",
          options_.workers);
    check(options_.ahead >= 1, "data loader: ahead must be at least 1, got {}", options_.ahead);
    static_cast<void>(options_.crop_or_pad.given());  // refuses half a size now, not at the first batch
    check_augment(options_.augment);
    check(options_.world_size >= 1 && options_.rank >= 0 && options_.rank < options_.world_size,
          "data loader: rank must be 0 to world_size - 1, got rank {} of {}", options_.rank, options_.world_size);
    if (options_.world_size > 1) share_cases();
    check(DataLoader::batches() > 0,
          "data loader: {} samples make no full batch of {}; allow the last batch to be smaller", samples(),
          options_.batch_size);
  }

  /// Starts epoch `epoch` (0, 1, …), from the first batch; the rest of an unfinished epoch is dropped.
  void start_epoch(std::int64_t epoch) override {
    workers_.reset();
    epoch_ = static_cast<std::uint64_t>(epoch);
    if (shares_) {
      order_ = shares_->share(options_.rank, SampleRandom(options_.seed, options_.shuffle ? epoch_ : 0, kShareStream));
    } else {
      order_.resize(static_cast<std::size_t>(dataset_->size()));
      std::iota(order_.begin(), order_.end(), std::int64_t{0});
    }
    if (options_.shuffle) SampleRandom(options_.seed, epoch_, kShuffleStream).shuffle(order_);
    if (shares_) order_ = shares_->filled(std::move(order_));
    workers_ = std::make_unique<OrderedWorkers<Batch>>(batches(), options_.workers, options_.ahead,
                                                       [this](std::int64_t index) { return make_batch(index); });
  }

  /// The next batch, or nothing at the end of the epoch. Throws if the batch could not be made (an `Error` that names
  /// the case); the following call returns the batch after it.
  std::optional<Batch> next() override {
    check(workers_ != nullptr, "data loader: call start_epoch before next");
    return workers_->next();
  }

  /// Batches of an epoch, the same in every process.
  [[nodiscard]] std::int64_t batches() const override {
    const auto size = samples(), batch = options_.batch_size;
    return options_.drop_last ? size / batch : (size + batch - 1) / batch;
  }
  /// Samples of an epoch in this process, the same number in every process; with several, some may be repeated.
  [[nodiscard]] std::int64_t samples() const { return shares_ ? shares_->length() : dataset_->size(); }
  /// The number of samples of an epoch, over all processes, that are repeated to make shares equal; 0 for one process.
  [[nodiscard]] std::int64_t repeated() const { return shares_ ? shares_->repeated() : 0; }
  /// Seconds that `next` has blocked since `start_epoch`.
  [[nodiscard]] double wait_seconds() const override { return workers_ ? workers_->wait_seconds() : 0; }
  [[nodiscard]] const Dataset& dataset() const { return *dataset_; }
  [[nodiscard]] const LoaderOptions& options() const { return options_; }

 private:
  static constexpr std::uint64_t kShuffleStream = 0x5348554646ULL << 24U;  // no sample has this index
  static constexpr std::uint64_t kShareStream = 0x5348415245ULL << 24U;    // nor this

  void share_cases() {
    std::vector<std::string> case_of;
    for (std::int64_t i = 0; i < dataset_->size(); ++i) case_of.push_back(dataset_->case_name(i));
    shares_.emplace(case_of, options_.world_size);
  }

  Sample prepared(std::int64_t index) const {
    try {
      auto sample = dataset_->get(index);
      check(sample.image.defined() && sample.image.dim() == 3 && sample.image.scalar_type() == torch::kFloat &&
                sample.image.is_contiguous(),
            "the image must be a contiguous float32 (C, H, W), got {}", shape_string(sample.image));
      check(!sample.labels.defined() || (sample.labels.sizes() == sample.image.sizes().slice(1) &&
                                         sample.labels.scalar_type() == torch::kLong && sample.labels.is_contiguous()),
            "the labels must be a contiguous int64 (H, W) of the image's size {}, got {}", shape_string(sample.image),
            shape_string(sample.labels));
      augment(sample, options_.augment, SampleRandom(options_.seed, epoch_, static_cast<std::uint64_t>(index)));
      return sample;
    } catch (const std::exception& error) {
      const auto name = dataset_->case_name(index);
      const std::string message = error.what();
      if (dynamic_cast<const Error*>(&error) != nullptr && message.find(name) != std::string::npos) throw;
      fail("case {}: {}", name, message);
    }
  }

  Batch make_batch(std::int64_t index) const {
    const auto start = index * options_.batch_size;
    const auto end = std::min(start + options_.batch_size, samples());
    Batch batch;
    std::string first_name;
    torch::Tensor first;
    for (auto i = start; i < end; ++i) {
      const auto sample = prepared(order_[static_cast<std::size_t>(i)]);
      const auto plane =
          options_.crop_or_pad.given() ? options_.crop_or_pad : PlaneSize{sample.image.size(1), sample.image.size(2)};
      if (i == start) {
        first = sample.image;
        first_name = sample.case_name;
        batch.images = torch::empty({end - start, sample.image.size(0), plane.height, plane.width}, torch::kFloat);
        if (sample.labels.defined())
          batch.labels = torch::empty({end - start, plane.height, plane.width}, torch::kLong);
      }
      check(sample.image.size(0) == batch.images.size(1) && plane.height == batch.images.size(2) &&
                plane.width == batch.images.size(3) && sample.labels.defined() == batch.labels.defined(),
            "case {} is {} and case {} is {} (channels, height, width): samples of one batch must be of one size; give "
            "a size to crop or pad to, or take batches of 1",
            first_name, shape_string(first), sample.case_name, shape_string(sample.image));
      place(sample, plane, i - start, batch);
      batch.case_names.push_back(sample.case_name);
      batch.slices.push_back(sample.slice);
    }
    if (options_.pin_memory) {
      batch.images = batch.images.pin_memory();
      if (batch.labels.defined()) batch.labels = batch.labels.pin_memory();
    }
    return batch;
  }

  void place(const Sample& sample, PlaneSize plane, std::int64_t slot, Batch& batch) const {
    const auto channels = sample.image.size(0);
    auto* image = batch.images.data_ptr<float>() + slot * channels * plane.height * plane.width;
    fit_planes(sample.image.data_ptr<float>(), channels, sample, plane, 0.0F, image);
    if (!sample.labels.defined()) return;
    auto* labels = batch.labels.data_ptr<std::int64_t>() + slot * plane.height * plane.width;
    fit_planes(sample.labels.data_ptr<std::int64_t>(), 1, sample, plane, options_.pad_label, labels);
  }

  /// Copies planes of the sample's size into planes of another, centred. Plain loops, as in augment.hpp.
  template <typename T>
  static void fit_planes(const T* source, std::int64_t planes, const Sample& sample, PlaneSize plane, T fill,
                         T* target) {
    const auto height = sample.image.size(1), width = sample.image.size(2);
    const auto top = centre_offset(height, plane.height), left = centre_offset(width, plane.width);
    const auto from = std::max<std::int64_t>(left, 0), to = std::min(left + plane.width, width);
    for (std::int64_t p = 0; p < planes; ++p, source += height * width) {
      for (std::int64_t row = 0; row < plane.height; ++row, target += plane.width) {
        const auto source_row = row + top;
        if (source_row < 0 || source_row >= height) {
          std::fill_n(target, plane.width, fill);
          continue;
        }
        std::fill_n(target, from - left, fill);
        std::copy(source + source_row * width + from, source + source_row * width + to, target + (from - left));
        std::fill(target + (to - left), target + plane.width, fill);
      }
    }
  }

  std::shared_ptr<const Dataset> dataset_;
  LoaderOptions options_;
  std::optional<CaseShares> shares_;  ///< with several processes
  std::uint64_t epoch_ = 0;
  std::vector<std::int64_t> order_;
  std::unique_ptr<OrderedWorkers<Batch>> workers_;
};

}  // namespace pam
