// SPDX-License-Identifier: MIT
/// The loop behind `fit` (documented in train/fit.hpp), as one object per call.
#pragma once

#include <pam/core/cuda_graph.hpp>
#include <pam/core/memory_format.hpp>
#include <pam/core/seed.hpp>
#include <pam/train/detail/cast_weights.hpp>
#include <pam/train/detail/checkpointer.hpp>
#include <pam/train/detail/device_copy.hpp>
#include <pam/train/detail/fit_run.hpp>
#include <pam/train/detail/loss_reader.hpp>
#include <pam/train/interrupt.hpp>
#include <pam/train/loss_scaler.hpp>
#include <pam/train/reversed_labels.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pam::detail {

class FitRun {
 public:
  FitRun(const Training& training, const FitOptions& options, const EventHandler& on_event, Communicator& communicator)
      : training_(training),
        model_(training.module),
        loader_(training.batches),
        options_(options),
        on_event_(on_event),
        communicator_(communicator),
        trainee_(training.module, training.optimizer),
        reversed_(options.reversed.value_or(training.reversed.value_or(false))),
        checkpointer_(options, reversed_, trainee_, communicator),
        rates_(training.optimizer),
        copy_(trainee_.device()) {}

  FitResult run() {
    const bool resumed = prepare();
    emit(Started{resumed, progress_.epoch, progress_.batch, progress_.step, options_.epochs, batches_, total_steps_});
    std::optional<StopReason> stopped;
    while (!stopped && progress_.finished.empty()) stopped = run_epoch();
    if (!stopped) stopped = finished_reason();
    communicator_.barrier();
    emit(Stopped{*stopped});
    FitResult result{*stopped, resumed, progress_.epoch, progress_.step, progress_.last_loss, {}, progress_.best_epoch};
    if (progress_.has_best) result.best_score = progress_.best_score;
    return result;
  }

 private:
  /// Checks everything that can be checked before the first step. Returns whether a checkpoint was resumed.
  bool prepare() {
    batches_ = batches_per_epoch();
    check_same_everywhere(communicator_, batches_, "batches per epoch");
    const auto accumulate = std::max<std::int64_t>(1, options_.accumulate);
    total_steps_ = options_.epochs * ((batches_ + accumulate - 1) / accumulate);
    check_fit_options(options_, total_steps_);
    check_reversed();
    check_precision(options_.precision, trainee_.device());
    check(options_.precision == Precision::Float32 || trainee_.type() == torch::kFloat,
          "fit: precision {} needs a net with float32 weights, got {}", to_string(options_.precision),
          c10::toString(trainee_.type()));
    make_scaler();
    clear_gradients();
    if (options_.channels_last) {
      for (auto& [name, parameter] : trainee_.parameters) set_memory_format(parameter, at::MemoryFormat::ChannelsLast);
    }
    auto settings =
        fit_settings(options_, reversed_, trainee_.optimizer, rates_.base(), batches_, communicator_.world_size());
    const bool resumed = checkpointer_.open(std::move(settings), batches_, progress_);
    if (scaler_) begin_scaling();
    // If only the end of an epoch is left to do, its row reports the learning rate of the step before the stop.
    if (progress_.step > 0) rates_.scale(options_.schedule.factor(progress_.step - 1, total_steps_));
    communicator_.broadcast(model_);
    communicator_.barrier();  // no process writes before all have read
    // An unwritable directory or a full disk is noticed now, not after the first epoch.
    if (!resumed) checkpointer_.save_last(progress_, last_cases_);
    return resumed;
  }

  /// The number that the source gives, else that of the options.
  [[nodiscard]] std::int64_t batches_per_epoch() const {
    const auto own = loader_.batches(), given = options_.batches_per_epoch;
    check(own > 0 || given > 0,
          "fit: the loader has no batches, or does not say how many there are in an epoch (a torch::data loader never "
          "does); is the data set empty, or smaller than one batch? Otherwise set FitOptions::batches_per_epoch");
    check(own == 0 || given == 0 || given == own,
          "fit: FitOptions::batches_per_epoch is {}, but the loader has {} batches per epoch; leave the option at 0",
          given, own);
    return own > 0 ? own : given;
  }

  /// The net decides; options and metadata may only agree with it.
  void check_reversed() const {
    check(!training_.loss_reverses,
          "fit: the loss reverses the labels itself; set FitOptions::reversed instead of the loss's option: it also "
          "marks the checkpoints, and both together would cancel");
    check(!training_.reversed || *training_.reversed == reversed_,
          "fit: the net's option reversed is {}, but FitOptions::reversed is {}: its predictions would be inverted; "
          "leave FitOptions::reversed empty, and the net decides",
          training_.reversed.value_or(false), reversed_);
    const auto noted = options_.metadata.find("pam.reversed");
    check(noted == options_.metadata.end() || noted->second == (reversed_ ? "true" : "false"),
          "fit: metadata says pam.reversed = {}, but this training is {}; leave pam.reversed to fit",
          noted == options_.metadata.end() ? "" : noted->second, reversed_ ? "reversed" : "not reversed");
  }

  void make_scaler() {
    if (options_.loss_scale == 0 && options_.precision != Precision::Float16) return;
    LossScalerOptions how;
    how.growth_interval = options_.loss_scale_interval;
    if (options_.loss_scale > 0) how.initial_scale = options_.loss_scale;
    scaler_.emplace(how);
  }

  /// After the checkpoint is read: restores the scaler.
  void begin_scaling() {
    if (progress_.loss_scale > 0) scaler_->restore(progress_.loss_scale, progress_.loss_scale_steps);
    note_scale();
  }

  void note_scale() {
    progress_.loss_scale = scaler_->factor();
    progress_.loss_scale_steps = scaler_->good_steps();
  }

  /// The rest of the current epoch. Returns why to stop, or nothing.
  std::optional<StopReason> run_epoch() {
    model_.train();
    loader_.start_epoch(progress_.epoch);
    skip(progress_.batch);
    watch_.restart();
    waited_ = loader_.wait_seconds();
    while (auto batch = loader_.next()) {
      check(progress_.batch<batches_, "fit: the loader promised {} batches per epoch, but gives more{}", batches_,
                            loader_.batches()> 0
                ? ""
                : "; set FitOptions::batches_per_epoch to what it gives");
      ++progress_.batch;
      micro_batch(*batch);
      if (micro_ < options_.accumulate && progress_.batch < batches_) continue;
      optimizer_step();
      if (const auto stopped = after_step()) return stopped;
    }
    check(progress_.batch > 0, "fit: the loader promised {} batches per epoch, but gave none", batches_);
    check(loader_.batches() > 0 || progress_.batch == batches_,
          "fit: the loader gave {} batches in epoch {}, but FitOptions::batches_per_epoch is {}; set it to what the "
          "loader gives",
          progress_.batch, progress_.epoch + 1, batches_);
    if (micro_ > 0) optimizer_step();  // the loader left out batches
    return finish_epoch();
  }

  /// Skips the batches that were trained before the interruption, without changing the restored generator.
  void skip(std::int64_t batches) {
    const SeedScope generators;
    loader_.skip(batches);
  }

  void micro_batch(const Batch& batch) {
    last_cases_ = describe_cases(batch.case_names, batch.slices);
    check(batch.labels.defined(), "fit: the batch with the cases {} has no labels; train on labelled data only",
          last_cases_);
    auto images = copy_(batch.images).to(trainee_.type());
    if (options_.channels_last && images.dim() == 4) images = images.contiguous(at::MemoryFormat::ChannelsLast);
    if (reversed_) check_binary_labels(batch.labels);  // where they are read without waiting for the device
    const auto given = copy_(batch.labels), labels = reversed_ ? swapped_labels(given) : given;
    const auto whole = autocast(trainee_.device(), Precision::Float32);  // whatever the caller has set
    ++micro_;
    const auto loss = records(images, labels) ? recorded_(images, labels) : gradients(images, labels);
    losses_.add({loss, images.size(0), progress_.batch, progress_.step + 1, batch.case_names, batch.slices});
  }

  /// Adds a batch's gradients to the parameters' -> its loss.
  torch::Tensor gradients(const torch::Tensor& images, const torch::Tensor& labels) {
    const torch::Tensor loss = training_.loss(forward(images), labels);
    check(loss.defined() && loss.numel() == 1, "fit: the loss must be one number, got shape {}", shape_string(loss));
    if (micro_ == options_.accumulate || progress_.batch == batches_) communicator_.begin_gradients(model_);
    (scaler_ ? scaler_->scale(loss) : loss).backward();
    return loss.detach();
  }

  /// Whether a step is one micro-batch of this process, as `FitOptions::graph` needs it.
  [[nodiscard]] bool may_record() const {
    return options_.graph && options_.accumulate == 1 && !scaler_ && communicator_.world_size() == 1;
  }

  /// Whether `recorded_` takes this batch; makes it at the second batch in a row of one shape.
  bool records(const torch::Tensor& images, const torch::Tensor& labels) {
    if (!may_record()) return false;
    auto shape = describe_tensor(images) + describe_tensor(labels);
    if (!recorded_ && shape == last_shape_) {
      recorded_ = training_.record([this](const torch::Tensor& x) { return forward(x); }, images, labels);
      recorded_shape_ = shape;
    }
    last_shape_ = std::move(shape);
    return recorded_ && last_shape_ == recorded_shape_;
  }

  /// The model's logits, in the weights' type whatever it computed in: a loss needs float32's range and precision.
  torch::Tensor forward(const torch::Tensor& images) {
    const auto logits = [&] {
      if (options_.precision == Precision::Float32) return training_.forward(images);
      const auto scope = autocast(trainee_.device(), options_.precision);
      std::optional<CastWeights> cast;
      if (trainee_.device().is_cuda() && may_record()) cast.emplace(model_, scalar_type(options_.precision));
      return training_.forward(images).to(trainee_.type());
    }();
    if (reversed_) check_reversible(logits);
    return logits;
  }

  void optimizer_step() {
    communicator_.average_gradients(model_);
    if ((progress_.step + 1) % options_.read_loss_every == 0) read_losses();
    rates_.scale(options_.schedule.factor(progress_.step, total_steps_));
    // The gradients are those of all processes by now, so all of them come to the same answer.
    const bool finite = !scaler_ || scaler_->unscale(parameters());
    if (finite) {
      scale_gradients(1.0 / static_cast<double>(micro_));
      if (options_.clip_norm > 0) clip_gradients();
      trainee_.optimizer.step();
    }
    clear_gradients();
    micro_ = 0;
    ++progress_.step;
    if (scaler_) rescale(finite);
    emit(StepEnd{progress_.epoch, progress_.batch, progress_.step, losses_.last(), rates_.current()});
  }

  void scale_gradients(double factor) {
    if (factor == 1.0) return;
    torch::NoGradGuard no_grad;
    for (auto& [name, parameter] : trainee_.parameters) {
      if (parameter.grad().defined()) parameter.mutable_grad().mul_(factor);
    }
  }

  [[nodiscard]] std::vector<torch::Tensor> parameters() const {
    std::vector<torch::Tensor> tensors;
    for (const auto& [name, parameter] : trainee_.parameters) tensors.push_back(parameter);
    return tensors;
  }

  /// The loss's factor for the next step. A skipped step is reported.
  void rescale(bool finite) {
    check(
        finite || !scaler_->exhausted(),
        "fit: the gradients are not finite in epoch {}, step {}, on the cases {}, even with the loss scaled by {}; {}",
        progress_.epoch + 1, progress_.step, last_cases_, scaler_->factor(), checkpointer_.advice());
    scaler_->update(finite);
    note_scale();
    if (!finite) emit(StepSkipped{progress_.epoch, progress_.batch, progress_.step, scaler_->factor()});
  }

  void clip_gradients() {
    const double norm = torch::nn::utils::clip_grad_norm_(parameters(), options_.clip_norm);
    check(std::isfinite(norm),
          "fit: the norm of the gradients became {} in epoch {}, batch {}, step {}, on the cases {}; {}", norm,
          progress_.epoch + 1, progress_.batch, progress_.step + 1, last_cases_, checkpointer_.advice());
  }

  /// Undefined, not zero: a resumed run, which has none yet, then treats unused parameters like an uninterrupted one.
  void clear_gradients() {
    for (auto& [name, parameter] : trainee_.parameters) parameter.mutable_grad() = torch::Tensor();
  }

  void read_losses() {
    losses_.read(progress_.loss_sum, progress_.images, progress_.epoch + 1, [this] { return checkpointer_.advice(); });
  }

  struct Wishes {
    bool interrupt = false, stop = false, save = false;
    [[nodiscard]] bool leave() const { return interrupt || stop; }
    [[nodiscard]] StopReason reason() const { return interrupt ? StopReason::Interrupted : StopReason::StopRequested; }
  };

  /// Whether any process wants to stop; with several processes all get the same answer, so that none continues alone.
  Wishes wishes() {
    Wishes mine{options_.catch_signals && interrupted() != 0, options_.stop != nullptr && *options_.stop,
                communicator_.rank() == 0 && checkpointer_.due(progress_)};
    if (communicator_.world_size() == 1) return mine;
    const auto sum = communicator_.sum(torch::tensor({mine.interrupt, mine.stop, mine.save}, torch::kInt64));
    const auto any = [&](std::int64_t i) { return sum[i].item<std::int64_t>() > 0; };
    return {any(0), any(1), any(2)};
  }

  std::optional<StopReason> after_step() {
    const auto now = wishes();
    if (now.leave() || now.save) {
      book_time();
      save_last();
    }
    return now.leave() ? std::optional<StopReason>(now.reason()) : std::nullopt;
  }

  /// Adds the time since the last call to the progress.
  void book_time() {
    const double waited = loader_.wait_seconds();
    progress_.seconds += watch_.seconds();
    progress_.wait_seconds += waited - std::exchange(waited_, waited);
    watch_.restart();
  }

  void save_last() {
    read_losses();  // a NaN must not reach the disk
    checkpointer_.save_last(progress_, last_cases_);
    if (checkpointer_.enabled()) emit(CheckpointSaved{checkpointer_.paths().last, false});
  }

  std::optional<StopReason> finish_epoch() {
    read_losses();
    book_time();
    auto end = summary();
    end.epoch = ++progress_.epoch;
    const bool last = end.epoch >= options_.epochs;
    if (options_.validate && (last || end.epoch % options_.validate_every == 0)) validate(end);
    progress_.last_loss = end.loss;
    progress_.batch = progress_.images = 0;
    progress_.loss_sum = progress_.seconds = progress_.wait_seconds = 0;
    // Epochs without validation have no score that could be better.
    const bool hopeless =
        end.validation && options_.patience > 0 && end.epoch - progress_.best_epoch >= options_.patience;
    if (last || hopeless) progress_.finished = to_string(last ? StopReason::Completed : StopReason::EarlyStopped);
    emit(end);
    const auto now = wishes();
    const bool over = !progress_.finished.empty();
    const bool due = options_.save_every_epochs > 0 && end.epoch % options_.save_every_epochs == 0;
    if (due || over || now.leave()) save_last();
    return now.leave() && !over ? std::optional<StopReason>(now.reason()) : std::nullopt;
  }

  [[nodiscard]] StopReason finished_reason() const {
    return progress_.finished == to_string(StopReason::EarlyStopped) ? StopReason::EarlyStopped : StopReason::Completed;
  }

  EpochEnd summary() {
    auto sums = torch::tensor({progress_.loss_sum, static_cast<double>(progress_.images)}, torch::kDouble);
    sums = communicator_.sum(sums);
    const double images = sums[1].item<double>();
    EpochEnd end;
    end.step = progress_.step;
    end.loss = sums[0].item<double>() / images;
    end.learning_rate = rates_.current();
    end.seconds = progress_.seconds;
    if (end.seconds > 0) {
      end.data_wait_share = std::min(1.0, progress_.wait_seconds / end.seconds);
      end.images_per_second = images / end.seconds;
    }
    return end;
  }

  void validate(EpochEnd& end) {
    model_.eval();
    {
      torch::NoGradGuard no_grad;
      end.validation = options_.validate(end.epoch);
    }
    model_.train();
    auto& score = end.validation->score;
    if (communicator_.world_size() > 1) {
      const double reported = communicator_.rank() == 0 ? score : 0.0;
      score = communicator_.sum(torch::tensor({reported}, torch::kDouble)).item<double>();
    }
    check(!std::isinf(score) || score < 0,
          "fit: the validation's score of epoch {} is infinite, so that no other could be better; return a finite one, "
          "or NaN where it is undefined",
          end.epoch);
    end.best = score > (progress_.has_best ? progress_.best_score : -std::numeric_limits<double>::infinity());
    if (!end.best) return;
    progress_.has_best = true;
    progress_.best_score = score;
    progress_.best_epoch = end.epoch;
    checkpointer_.save_best(progress_, last_cases_);
    if (checkpointer_.enabled()) emit(CheckpointSaved{checkpointer_.paths().best, true});
  }

  void emit(const Event& event) {
    if (on_event_ && communicator_.rank() == 0) on_event_(event);
  }

  const Training& training_;
  torch::nn::Module& model_;
  BatchSource& loader_;
  const FitOptions& options_;
  const EventHandler& on_event_;
  Communicator& communicator_;
  Trainee trainee_;
  bool reversed_;  ///< trains on 1 - label
  Checkpointer checkpointer_;
  LearningRates rates_;
  TrainingProgress progress_;
  LossReader losses_;
  DeviceCopy copy_;
  BatchGradients recorded_;                  ///< with FitOptions::graph
  std::string last_shape_, recorded_shape_;  ///< of the last batch, and of those that recorded_ takes
  std::optional<LossScaler> scaler_;
  Stopwatch watch_;
  std::string last_cases_ = "(none yet)";  ///< of the last batch, for messages
  double waited_ = 0;                      ///< the loader's wait_seconds when time was last booked
  std::int64_t batches_ = 0, total_steps_ = 0;
  std::int64_t micro_ = 0;  ///< micro-batches whose gradients wait for the optimizer
};

PAM_FUNC FitResult run_fit(const Training& training, const FitOptions& options, const EventHandler& on_event,
                           Communicator& communicator) {
  const SeedScope generators(static_cast<std::uint64_t>(options.seed + communicator.rank()));
  const auto signals = options.catch_signals ? std::make_unique<InterruptScope>() : nullptr;
  return FitRun(training, options, on_event, communicator).run();
}

}  // namespace pam::detail
