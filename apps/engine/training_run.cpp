// SPDX-License-Identifier: MIT
#include "engine/training_run.hpp"

#include "cli/option_reader.hpp"
#include "engine/fgsm_case.hpp"
#include "engine/networks.hpp"
#include "engine/processes.hpp"
#include "engine/robustness.hpp"
#include "engine/run_folder.hpp"
#include "report/run_record.hpp"
#include "report/run_report.hpp"

#include <pam/core/cudnn_benchmark.hpp>
#include <pam/core/memory_format.hpp>
#include <pam/images/picture.hpp>
#include <pam/inference/non_finite_error.hpp>
#include <pam/inference/predictor.hpp>
#include <pam/metrics/score_classes.hpp>
#include <pam/train/checkpoint.hpp>
#include <pam/train/fit.hpp>
#include <pam/train/interrupt.hpp>
#include <pam/train/log.hpp>
#include <pam/train/progress.hpp>
#include <pam/train/tensorboard.hpp>
#include <pam/weights/safetensors.hpp>
#include <pam/weights/weights.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <limits>
#include <utility>

namespace pam::apps {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kHistogramsFile = "probabilities.safetensors";

/// All foreground classes as one: the binary scores of a task with several classes are of this.
torch::Tensor merged(const torch::Tensor& labels) { return labels.clamp_max(1); }

/// Everything that happens in one network's folder.
class TrainingRun {
 public:
  TrainingRun(const Task& task, const ExperimentOptions& options, std::string net, std::filesystem::path folder,
              const nlohmann::json& config, std::string command, bool histograms)
      : task_(task),
        options_(options),
        folder_(std::move(folder)),
        processes_(apps::processes()),
        device_(processes_.device(options.device)),
        channels_last_(channels_last(options.layout)),
        net_(make_network(net, task.in_channels, task.classes, options.width, options.net_options, options.seed)),
        config_(own_config(config, net)),
        record_(std::move(command), config_, static_cast<std::uint64_t>(options.seed)),
        histograms_(histograms) {
    check(!histograms || task.classes == 1, "histograms of probabilities are of binary tasks");
    result_.network.name = std::move(net);
    result_.network.parameters = parameter_count(net_);
    result_.network.distance_unit = task.unit;
    result_.reversed = net_.reversed();
  }

  RunResult run() {
    // Only the first process looks at the files, so that all processes take the same decision.
    const bool scored = from_first([&] { return options_.resume && exists("scores.json") && !lengthened(); });
    const bool perturbed = from_first([&] { return scored && read_robustness(); });
    const bool counted = from_first([&] { return scored && read_probabilities(); });
    if (processes_.first() && scored) read_scores();
    if (perturbed && counted) {
      std::cout << result_.network.name << ": done already (" << (folder_ / "scores.json").string() << ")\n";
      result_.done = true;
      return result_;
    }
    if (processes_.first()) begin(scored);
    if (!scored && (!train() || !score())) return result_;
    if (!perturbed && !perturb()) return result_;
    if (!counted && !count_probabilities()) return result_;
    result_.done = true;
    if (processes_.first()) finish();
    return result_;
  }

 private:
  [[nodiscard]] bool exists(const char* name) const { return std::filesystem::exists(folder_ / name); }

  /// What `ask` answers in the first process.
  template <typename Ask>
  bool from_first(const Ask& ask) {
    return processes_.any(processes_.first() && ask());
  }

  /// The folder before anything is computed; `scored`: the clean scores are there.
  void begin(bool scored) {
    std::filesystem::create_directories(folder_);
    if (scored) {
      std::cout << result_.network.name << ": scored already; computes what is missing" << std::endl;
      return;
    }
    for (const char* name : {"scores.json", "robustness.json", kHistogramsFile})
      std::filesystem::remove(folder_ / name);
    write_atomically(config_path(folder_), config_.dump(2) + "\n");
    std::cout << fmt::format("{}: {} parameters", result_.network.name, parameters_text()) << std::endl;
  }

  /// The options that make this network alone.
  static nlohmann::json own_config(nlohmann::json config, const std::string& net) {
    config["nets"] = nlohmann::json::array({net});
    for (const char* key : {"resume", "overwrite", "allow_changes"}) config[key] = false;
    return config;
  }

  /// Whether the network was scored after fewer epochs than the options now ask for.
  [[nodiscard]] bool lengthened() const {
    if (!options_.allow_changes) return false;
    const auto before = options_of_run(folder_.string());
    return before.is_object() && before.value("epochs", nlohmann::json()) < nlohmann::json(options_.epochs);
  }

  [[nodiscard]] std::string parameters_text() const {
    Table table("", {{"parameters", 0, true}});
    table.row({result_.network.parameters});
    return table.formatted(0, 0);
  }

  [[nodiscard]] FitOptions fit_options() {
    FitOptions fit;
    fit.epochs = options_.epochs;
    fit.schedule = options_.schedule;
    fit.clip_norm = options_.clip_norm;
    fit.accumulate = options_.accumulate;
    fit.patience = options_.patience;
    fit.validate_every = options_.validate_every;
    fit.precision = precision_named(options_.precision);
    fit.channels_last = channels_last_;
    fit.graph = device_.is_cuda();
    fit.read_loss_every = device_.is_cuda() ? 10 : 1;  // a reading waits for the GPU
    fit.seed = options_.seed;
    fit.catch_signals = true;
    fit.directory = folder_;
    fit.resume = options_.resume;
    fit.overwrite = options_.overwrite;
    fit.allow_changes = options_.allow_changes;
    fit.metadata["pam.net"] = net_.options().dump();
    for (const auto& [key, value] : {std::pair{"pam.input", &task_.input},
                                     {"pam.modalities", &task_.modalities},
                                     {"pam.spacing", &task_.spacing}}) {
      if (!value->is_null()) fit.metadata[key] = value->dump();
    }
    if (task_.validation) fit.validate = [this](std::int64_t) { return validate(); };
    return fit;
  }

  /// False where Ctrl-C stopped it.
  bool train() {
    const CudnnBenchmark measured;  // all batches have one shape
    net_->to(device_);
    if (channels_last_) to_memory_format(*net_, at::MemoryFormat::ChannelsLast);
    auto loader = task_.make_loader({options_.batch, options_.seed, options_.workers, net_.min_size(), options_.flip,
                                     options_.noise, processes_.rank(), processes_.world_size(), device_.is_cuda()});
    check(loader->options().world_size == processes_.world_size(),
          "the task's loader shares the cases among {} processes, but there are {}; make it with loader_options",
          loader->options().world_size, processes_.world_size());
    if (processes_.world_size() > 1) print_shares(*loader);
    SegmentationLoss loss(options_.loss, options_.loss_options);
    if (processes_.world_size() > 1) {
      loss.options().reduce_sums = [this](const torch::Tensor& sums) { return processes_.sum(sums); };
    }
    auto optimizer = make_adamw(net_, options_.optimizer);
    std::vector<EventHandler> handlers{ProgressBar(), MetricsLog(folder_)};
    if (options_.tensorboard && processes_.first()) handlers.emplace_back(TensorBoardLog(folder_));
    const auto outcome =
        fit(net_, *loader, loss, optimizer, fit_options(), combine(std::move(handlers)), processes_.communicator());
    best_epoch_ = outcome.best_epoch;
    return outcome.reason != StopReason::Interrupted && outcome.reason != StopReason::StopRequested;
  }

  void print_shares(const DataLoader& loader) {
    const auto repeated =
        fmt::format("{} samples per epoch are repeated, so that all processes have the same number", loader.repeated());
    std::cout << fmt::format("{} processes train together, each on its own cases; {}", processes_.world_size(),
                             repeated)
              << std::endl;
    record_.set("processes", processes_.world_size()).set("repeated_samples", loader.repeated());
  }

  /// The mean Dice of the foreground over the validation cases in which truth or prediction has some: a false alarm in
  /// an empty case counts 0, and an empty mask there is in no mean. Each process counts the pixels of its
  /// share of the cases; they synchronise after each case, so that none waits longer than one case takes.
  Validation validate() {
    const auto count = static_cast<std::int64_t>(task_.validation->names().size());
    auto counts = torch::zeros({count, 4}, torch::kLong);
    for (std::int64_t i = 0; i < count; ++i) {
      if (i % processes_.world_size() == processes_.rank()) count_pixels(static_cast<std::size_t>(i), counts[i]);
      if ((i + 1) % processes_.world_size() == 0) processes_.barrier();
    }
    counts = processes_.sum(counts);
    std::vector<CaseScores> cases;
    for (std::int64_t i = 0; i < count; ++i) {
      const auto* row = counts.data_ptr<std::int64_t>() + 4 * i;
      CaseScores scores;
      scores.confusion = {row[0], row[1], row[2], row[3]};
      scores.dice = dice(scores.confusion);
      scores.iou = iou(scores.confusion);
      cases.push_back(std::move(scores));
    }
    const auto summary = summarise(cases);
    const auto value = [&](const char* key) { return summary.of(key).mean.value_or(std::nan("")); };
    return {value("dice"), {{"val_dice", value("dice")}, {"val_iou", value("iou")}}};
  }

  /// The pixel counts of validation case `index` as a row: true positives, false positives, false negatives, true
  /// negatives.
  void count_pixels(std::size_t index, const torch::Tensor& row) {
    const auto each = task_.validation->load_for_validation(index);
    const auto found = confusion(merged(labels_of_planes(each, each.images)), merged(each.labels));
    row.copy_(torch::tensor({found.tp, found.fp, found.fn, found.tn}, torch::kLong));
  }

  [[nodiscard]] std::filesystem::path scored_weights() const {
    const CheckpointPaths paths(folder_);
    return task_.validation && std::filesystem::exists(paths.best) ? paths.best : paths.last;
  }

  void load_scored_weights() {
    LoadOptions how;
    how.require_finite = true;
    load_weights(net_, scored_weights(), how);
  }

  /// Warns if the scored weights are not the best ones.
  void warn_of_lost_best() const {
    if (best_epoch_ == 0 || scored_weights() == CheckpointPaths(folder_).best) return;
    std::cerr << fmt::format(
        "warning: {}: the weights of the best epoch, {}, are gone; those of the last epoch are scored. To score the "
        "best, start again with --overwrite.\n",
        CheckpointPaths(folder_).best.string(), best_epoch_);
  }

  /// Predictions of an earlier scoring, perhaps of other cases, must not be mixed with those of this one.
  static void make_empty(const std::filesystem::path& folder) {
    std::filesystem::create_directories(folder);
    for (const auto& entry : std::filesystem::directory_iterator(folder)) std::filesystem::remove_all(entry.path());
  }

  /// Calls `act(case)` for every test case in the first process; the others synchronise after each case, so that they
  /// wait for one case at most. False if Ctrl-C stopped it.
  template <typename Act>
  bool each_test_case(const Act& act) {
    for (std::size_t i = 0; i < task_.test->names().size(); ++i) {
      if (processes_.any(interrupted() != 0)) return false;
      if (processes_.first()) act(task_.test->load(i));
    }
    return true;
  }

  /// The net as it is now, in eval mode: scored as trained, in whole slices.
  [[nodiscard]] Predictor predictor() const {
    PredictorOptions how;
    how.device = device_;
    how.precision = precision_named(options_.precision);
    how.channels_last = channels_last_;
    how.batch = options_.batch;
    how.max_plane_pixels = std::numeric_limits<std::int64_t>::max();
    return Predictor(net_, {}, how);
  }

  [[nodiscard]] torch::Tensor labels_of_planes(const EvalCase& each, const torch::Tensor& images) const {
    try {
      return predictor().labels_of_planes(images);
    } catch (const NonFiniteError& error) {
      throw error.in_case(each.name);
    }
  }
  [[nodiscard]] torch::Tensor predicted(const EvalCase& each, const torch::Tensor& images) const {
    return each.to_input_grid(labels_of_planes(each, images));
  }
  static CaseScores foreground_scores(const EvalCase& each, const torch::Tensor& labels) {
    return score_case(merged(labels), merged(each.truth), each.spacing(), each.name);
  }

  /// Predicts and scores every test case. False where Ctrl-C stopped it.
  bool score() {
    if (processes_.first()) {
      warn_of_lost_best();
      load_scored_weights();
      for (const char* name : {"predictions", "overlays"}) make_empty(folder_ / name);
    }
    if (task_.classes > 1) result_.classes.resize(static_cast<std::size_t>(task_.classes) - 1);
    return each_test_case([this](const EvalCase& each) {
      const auto labels = predicted(each, each.images);
      save_prediction(each, labels, folder_ / "predictions");
      result_.network.cases.push_back(foreground_scores(each, labels));
      if (task_.classes > 1) {
        auto scores = score_classes(labels, each.truth, task_.classes, each.spacing(), each.name);
        for (std::size_t c = 0; c < scores.size(); ++c) result_.classes[c].push_back(std::move(scores[c]));
      }
      write_png(folder_ / "overlays" / (each.name + ".png"), overlay_sheet(each, {labels}));
    });
  }

  /// Scores every test case again for each ε of `fgsm`, with FGSM's perturbation. False where Ctrl-C stopped it.
  bool perturb() {
    if (options_.fgsm.empty()) return true;
    if (processes_.first()) load_scored_weights();
    const SegmentationLoss loss(options_.loss, options_.loss_options);
    result_.robustness.clear();
    for (const double epsilon : options_.fgsm) result_.robustness.push_back({epsilon, {}});
    return each_test_case([&](const EvalCase& each) {
      const auto direction = fgsm_direction_of_case(net_, loss, each.images, each.labels, options_.batch, device_);
      for (auto& scored : result_.robustness) {
        const auto labels = predicted(each, each.images + scored.epsilon * direction);
        scored.cases.push_back(foreground_scores(each, labels));
      }
    });
  }

  /// Counts the probabilities of all validation and test cases and writes them. False where Ctrl-C stopped it.
  bool count_probabilities() {
    if (!histograms_) return true;
    if (processes_.first()) load_scored_weights();
    auto& found = result_.probabilities = {};
    for (const auto& [source, cases] :
         {std::pair{task_.validation.get(), &found.validation}, {task_.test.get(), &found.test}}) {
      for (std::size_t i = 0; source != nullptr && i < source->names().size(); ++i) {
        if (processes_.any(interrupted() != 0)) return false;
        if (processes_.first()) cases->push_back(histogram_of(source->load(i)));
      }
    }
    if (processes_.first()) write_histograms(folder_ / kHistogramsFile, found);
    return true;
  }

  [[nodiscard]] CaseHistogram histogram_of(const EvalCase& each) const {
    try {
      // Bins go to the input's grid as labels do, so that the mask above 0.5 is the one that is scored.
      const auto bins = probability_bins(predictor().probabilities_of_planes(each.images).squeeze(1));
      return case_histogram(each.name, each.to_input_grid(bins), merged(each.truth));
    } catch (const NonFiniteError& error) {
      throw error.in_case(each.name);
    }
  }

  /// False if the histograms must be made; true if they are there, or not wanted.
  bool read_probabilities() {
    if (!histograms_) return true;
    if (!exists(kHistogramsFile)) return false;
    result_.probabilities = read_histograms(folder_ / kHistogramsFile);
    const auto same = [](const CaseSource* source, const std::vector<CaseHistogram>& cases) {
      const auto names = source == nullptr ? std::vector<std::string>() : source->names();
      return std::equal(names.begin(), names.end(), cases.begin(), cases.end(),
                        [](const std::string& name, const CaseHistogram& each) { return name == each.name; });
    };
    return same(task_.validation.get(), result_.probabilities.validation) &&
           same(task_.test.get(), result_.probabilities.test);
  }

  /// False if robustness.json must be made; true if it exists for the same ε, or is not wanted.
  bool read_robustness() {
    const auto path = folder_ / "robustness.json";
    if (options_.fgsm.empty()) return true;
    if (!exists("robustness.json")) return false;
    result_.robustness =
        robustness_from_json(Json::parse(std::ifstream(path), nullptr, /*allow_exceptions=*/false), path.string());
    std::vector<double> epsilons;
    for (const auto& each : result_.robustness) epsilons.push_back(each.epsilon);
    return epsilons == options_.fgsm;
  }

  /// The records of a finished network; scores.json is last and says that it is done.
  void finish() {
    auto& network = result_.network;
    network.epochs = read_epochs(folder_);
    write_charts(folder_ / "curves.svg", curves({network}));
    write_atomically(folder_ / "scores.csv", case_table({network}, "").csv());
    record_.data(task_.files, task_.data).set("network", net_.options()).set("parameters", network.parameters);
    record_.set("precision", options_.precision).set("layout", channels_last_ ? "nhwc" : "nchw");
    record_.set("scored_weights", scored_weights().filename().string());
    record_.write(folder_ / "run.json");
    if (!result_.robustness.empty()) write_robustness({result_}, folder_);
    write_report(task_, options_, {result_}, {folder_}, folder_ / "report.html", record_.json());
    write_atomically(folder_ / "scores.json", scores_json().dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  }

  [[nodiscard]] Json scores_json() const {
    auto json = scores_to_json(result_.network.cases, /*counts=*/true);
    json["net"] = result_.network.name;
    json["parameters"] = result_.network.parameters;
    json["distance_unit"] = result_.network.distance_unit;
    json["weights"] = scored_weights().filename().string();
    for (std::size_t c = 0; c < result_.classes.size(); ++c) {
      json["classes"][std::to_string(c + 1)] = scores_to_json(result_.classes[c], /*counts=*/true);
    }
    return json;
  }

  void read_scores() {
    const auto path = folder_ / "scores.json";
    const auto where = path.string();
    const auto json = Json::parse(std::ifstream(path), nullptr, /*allow_exceptions=*/false);
    const auto read = [&](const Json& part) {
      check(part.is_object() && part.contains("cases") && part["cases"].is_array(),
            "{}: does not hold scores; delete it to score again", where);
      std::vector<CaseScores> cases;
      for (const auto& each : part["cases"]) cases.push_back(case_scores_from_json(each, where));
      return cases;
    };
    result_.network.cases = read(json);
    for (std::int64_t c = 1; c < task_.classes; ++c) {
      check(json.contains("classes"), "{}: does not hold the scores of each class; delete it to score again", where);
      result_.classes.push_back(read(json["classes"].value(std::to_string(c), Json())));
    }
    result_.network.epochs = read_epochs(folder_);
  }

  const Task& task_;
  const ExperimentOptions& options_;
  std::filesystem::path folder_;
  Processes& processes_;
  torch::Device device_;
  bool channels_last_;
  Network net_;
  nlohmann::json config_;  ///< every option of this run
  RunRecord record_;
  RunResult result_;
  bool histograms_;              ///< count probabilities
  std::int64_t best_epoch_ = 0;  ///< 0: none, or not trained in this session
};

/// The network that was trained in `folder`, by its weights or, where they are gone, by the record of the finished run,
/// and the file that says so; null where none of them does.
std::pair<nlohmann::json, std::filesystem::path> trained_network(const std::filesystem::path& folder) {
  const auto last = CheckpointPaths(folder).last, record = folder / "run.json";
  const auto parsed = [](auto&& text) { return nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false); };
  if (std::filesystem::exists(last)) {
    try {
      const auto metadata = read_safetensors(last).metadata;
      if (const auto net = metadata.find("pam.net"); net != metadata.end()) return {parsed(net->second), last};
    } catch (const Error&) {
      // damaged: written again from the training state
    }
  }
  if (!std::filesystem::exists(record)) return {};
  const auto json = parsed(std::ifstream(record));
  return {json.is_object() ? json.value("network", nlohmann::json()) : nlohmann::json(), record};
}

/// What `net`, a network's options, says of prune_convolutions in its RFNA blocks with ratio 2 or 4.
std::vector<nlohmann::json> prunings(const nlohmann::json& net) {
  std::vector<nlohmann::json> said;
  auto parts = net.value("stages", nlohmann::json::array());
  if (!parts.is_array()) parts = nlohmann::json::array({parts});
  parts.push_back(net.value("bridge", nlohmann::json()));
  for (const auto& part : parts) {
    if (!part.is_object()) continue;
    const auto ratio = part.value("ratio", nlohmann::json());
    if (ratio == 2 || ratio == 4) said.push_back(part.value("prune_convolutions", nlohmann::json()));
  }
  return said;
}

}  // namespace

void check_same_convolutions(const Task& task, const ExperimentOptions& options, const std::string& net,
                             const std::vector<std::filesystem::path>& folders) {
  const auto now = prunings(
      make_network(net, task.in_channels, task.classes, options.width, options.net_options, options.seed).options());
  if (std::count(now.begin(), now.end(), true) == 0) return;  // nothing is left out: no weights need be read
  for (const auto& folder : folders) {
    const auto [before, file] = trained_network(folder);
    const auto then = before.is_object() ? prunings(before) : std::vector<nlohmann::json>();
    check(std::count(then.begin(), then.end(), nullptr) == 0,
          "--resume: {} is of an older pam, whose {} had convolutions that are left out now (RFNA with ratio 2 or 4, "
          "option prune_convolutions), so it would be continued as another network: continue it with that pam, or "
          "start again with --overwrite or another --out",
          file.string(), net);
  }
}

std::vector<EpochPoint> read_epochs(const std::filesystem::path& folder) {
  std::vector<EpochPoint> epochs;
  std::ifstream in(folder / "metrics.jsonl");
  for (std::string line; std::getline(in, line);) {
    const auto row = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!row.is_object() || !row.contains("epoch") || !row["epoch"].is_number_integer()) continue;
    const auto number = [&](const char* key) {
      const auto found = row.find(key);
      return found != row.end() && found->is_number() ? found->get<double>() : std::nan("");
    };
    EpochPoint point;
    point.epoch = row["epoch"].get<std::int64_t>();
    point.loss = number("loss");
    point.learning_rate = number("learning_rate");
    point.seconds = number("seconds");
    point.data_wait_share = number("data_wait_share");
    if (const double score = number("score"); std::isfinite(score)) point.validation = score;
    epochs.push_back(point);
  }
  return epochs;
}

void check_trainable(const Task& task, const ExperimentOptions& options) {
  std::vector<std::filesystem::path> inputs;
  for (const auto& file : task.files) inputs.push_back(file.path);
  check_apart("--out", options.out, inputs, "run");
  for (const auto& net : options.nets) {
    static_cast<void>(make_network(net, task.in_channels, task.classes, options.width, options.net_options, 0));
  }
  check(options.fgsm.empty() || !task.test->names().empty(),
        "--fgsm: perturbs test cases, and with --test-share 0 there are none; leave one of the two out");
  check(options.patience == 0 || task.validation,
        "patience {}: early stopping needs the score of validation cases, and there are none; give some with "
        "--validation-share 0.2 (Cityscapes: --val-city), or set patience=0",
        options.patience);
  check(
      options.validate_every == 1 || task.validation,
      "validate_every {}: there are no validation cases, so it would be ignored; give some with --validation-share 0.2 "
      "(Cityscapes: --val-city), or set validate_every=1",
      options.validate_every);
  const SegmentationLossOptions untouched;
  const auto& loss = options.loss_options;
  for (const auto& [given, name] : {std::pair{loss.per_class != untouched.per_class, "per_class"},
                                    {loss.include_background != untouched.include_background, "include_background"}}) {
    check(task.classes > 1 || !given,
          "loss_options.{}: is for several classes; this task is binary, where networks have one channel, that of the "
          "foreground: leave it out, or name the classes, such as --label-values 1=1,2=2",
          name);
  }
  if (options.schedule.warm_up == 0) return;
  const auto& together = processes();
  const auto batches = task.make_loader({options.batch, options.seed, options.workers, 1, options.flip, options.noise,
                                         together.rank(), together.world_size()})
                           ->batches();
  check_schedule(options.schedule, options.epochs * ((batches + options.accumulate - 1) / options.accumulate));
}

RunResult run_network(const Task& task, const ExperimentOptions& options, const std::string& net,
                      const std::filesystem::path& folder, const nlohmann::json& config, const std::string& command,
                      bool histograms) {
  return TrainingRun(task, options, net, folder, config, command, histograms).run();
}

}  // namespace pam::apps
