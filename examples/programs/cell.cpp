// SPDX-License-Identifier: MIT
#include "programs/cell.hpp"

#include "programs/networks.hpp"
#include "programs/predict_case.hpp"
#include "programs/run_report.hpp"

#include <pam/io/weights.hpp>
#include <pam/report/picture.hpp>
#include <pam/report/run_record.hpp>
#include <pam/train/fit.hpp>
#include <pam/train/interrupt.hpp>
#include <pam/train/log.hpp>
#include <pam/train/progress.hpp>

#include <fstream>
#include <iostream>
#include <utility>

namespace pam::programs {
namespace {

using Json = nlohmann::ordered_json;

void write_text(const std::filesystem::path& path, const std::string& text) {
  write_atomically(path, [&](std::ostream& out) { out << text; });
}

/// The foreground as a whole: what a binary score of a task with several classes is of.
torch::Tensor merged(const torch::Tensor& labels) { return labels.clamp_max(1); }

/// Everything that happens in one cell's folder.
class Cell {
 public:
  Cell(const Task& task, const ExperimentOptions& options, std::string net, std::filesystem::path folder,
       std::string command)
      : task_(task),
        options_(options),
        folder_(std::move(folder)),
        device_(find_device(options.device)),
        net_(make_network(net, task.in_channels, task.classes, options.width, options.net_options, options.seed)),
        record_(std::move(command), options_to_json(options), static_cast<std::uint64_t>(options.seed)) {
    result_.network.name = std::move(net);
    result_.network.parameters = parameter_count(net_);
    result_.network.distance_unit = task.unit;
    result_.reversed = net_.reversed();
  }

  CellResult run() {
    std::filesystem::create_directories(folder_);
    if (options_.resume && std::filesystem::exists(folder_ / "scores.json")) {
      read_scores();
      std::cout << result_.network.name << ": done already (" << (folder_ / "scores.json").string() << ")\n";
      return result_;
    }
    std::filesystem::remove(folder_ / "scores.json");
    write_text(folder_ / "config.json", options_to_json(own_options()).dump(2) + "\n");
    std::cout << fmt::format("{}: {} parameters", result_.network.name, parameters_text()) << std::endl;
    if (!train() || !score()) return result_;
    finish();
    return result_;
  }

 private:
  [[nodiscard]] ExperimentOptions own_options() const {
    auto own = options_;
    own.nets = {result_.network.name};
    own.resume = own.overwrite = false;
    return own;
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
    fit.reversed = net_.reversed();
    fit.seed = options_.seed;
    fit.directory = folder_;
    fit.resume = options_.resume;
    fit.overwrite = options_.overwrite;
    fit.metadata["pam.net"] = net_.options().dump();
    if (task_.validation) fit.validate = [this](std::int64_t) { return validate(); };
    return fit;
  }

  /// False where Ctrl-C stopped it.
  bool train() {
    net_->to(device_);
    auto loader = task_.make_loader(
        {options_.batch, options_.seed, options_.workers, net_.min_size(), options_.flip, options_.noise});
    auto optimizer = make_adamw(net_, options_.optimizer);
    const auto outcome = fit(net_, loader, SegmentationLoss(options_.loss, options_.loss_options), optimizer,
                             fit_options(), combine({ProgressBar(), MetricsLog(folder_)}));
    return outcome.reason != StopReason::kInterrupted && outcome.reason != StopReason::kStopRequested;
  }

  /// The mean Dice of the foreground over the validation cases that have some.
  Validation validate() {
    std::vector<CaseScores> cases;
    for (std::size_t i = 0; i < task_.validation->names().size(); ++i) {
      const auto each = task_.validation->load_for_validation(i);
      CaseScores scores;
      scores.confusion =
          confusion(merged(predict_case(net_, each.images, options_.batch, device_)), merged(each.labels));
      scores.dice = dice(scores.confusion);
      scores.iou = iou(scores.confusion);
      cases.push_back(std::move(scores));
    }
    const auto summary = summarise(cases);
    const auto value = [&](const char* key) { return summary.of(key).mean.value_or(std::nan("")); };
    return {value("dice"), {{"val_dice", value("dice")}, {"val_iou", value("iou")}}};
  }

  [[nodiscard]] std::filesystem::path scored_weights() const {
    const CheckpointPaths paths(folder_);
    return task_.validation && std::filesystem::exists(paths.best) ? paths.best : paths.last;
  }

  /// Predicts and scores every test case. False where Ctrl-C stopped it.
  bool score() {
    load_weights(*net_, scored_weights());
    for (const char* name : {"predictions", "overlays"}) std::filesystem::create_directories(folder_ / name);
    if (task_.classes > 1) result_.classes.resize(static_cast<std::size_t>(task_.classes) - 1);
    const auto names = task_.test->names();
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (interrupted() != 0) return false;
      const auto each = task_.test->load(i);
      const auto labels = each.to_input_grid(predict_case(net_, each.images, options_.batch, device_));
      save_prediction(each, labels, folder_ / "predictions");
      result_.network.cases.push_back(score_case(merged(labels), merged(each.truth), each.spacing(), each.name));
      for (std::size_t c = 0; c < result_.classes.size(); ++c) {
        ScoreOptions one_class;
        one_class.class_index = static_cast<std::int64_t>(c) + 1;
        one_class.classes = task_.classes;
        result_.classes[c].push_back(score_case(labels, each.truth, each.spacing(), each.name, one_class));
      }
      write_png(folder_ / "overlays" / (each.name + ".png"), overlay_sheet(each, {labels}));
    }
    return true;
  }

  /// The records of a finished cell; scores.json is last and says that the cell is done.
  void finish() {
    auto& network = result_.network;
    network.epochs = read_epochs(folder_);
    write_charts(folder_ / "curves.svg", curves({network}));
    write_text(folder_ / "scores.csv", case_table({network}, "").csv());
    record_.data(task_.files, task_.data).set("network", net_.options()).set("parameters", network.parameters);
    record_.set("scored_weights", scored_weights().filename().string());
    record_.write(folder_ / "run.json");
    result_.done = true;
    write_report(task_, options_, {result_}, {folder_}, folder_ / "report.html", record_.json());
    write_text(folder_ / "scores.json", scores_json().dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  }

  static Json cases_json(const std::vector<CaseScores>& cases) {
    auto list = Json::array();
    for (const auto& each : cases) list.push_back(to_json(each, /*counts=*/true));
    return Json{{"cases", list}, {"aggregate", to_json(summarise(cases))}};
  }

  [[nodiscard]] Json scores_json() const {
    auto json = cases_json(result_.network.cases);
    json["net"] = result_.network.name;
    json["parameters"] = result_.network.parameters;
    json["distance_unit"] = result_.network.distance_unit;
    json["weights"] = scored_weights().filename().string();
    for (std::size_t c = 0; c < result_.classes.size(); ++c) {
      json["classes"][std::to_string(c + 1)] = cases_json(result_.classes[c]);
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
    result_.done = true;
  }

  const Task& task_;
  const ExperimentOptions& options_;
  std::filesystem::path folder_;
  torch::Device device_;
  Network net_;
  RunRecord record_;
  CellResult result_;
};

}  // namespace

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

CellResult run_cell(const Task& task, const ExperimentOptions& options, const std::string& net,
                    const std::filesystem::path& folder, const std::string& command) {
  return Cell(task, options, net, folder, command).run();
}

}  // namespace pam::programs
