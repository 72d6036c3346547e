// SPDX-License-Identifier: MIT
#include "engine/run_folder.hpp"

#include "cli/option_reader.hpp"

#include <pam/core/atomic_file.hpp>
#include <pam/core/error.hpp>
#include <pam/datasets/data_files.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include <unistd.h>

namespace pam::apps {
namespace {

/// Options that may differ when a run is continued: none of them changes what is learnt, except for the rounding of
/// another device or number of threads.
constexpr std::array kMachineOptions{"resume", "overwrite", "allow_changes", "out",  "device",  "threads", "workers",
                                     "worst",  "layout",    "tensorboard",   "nets", "timeout", "fgsm"};
/// Options that name files and folders: one place may be written in several ways.
constexpr std::array kPlaces{"data", "images", "labels", "grades", "paper_figures"};
/// The files of an older run (or comparison) and of its networks that a new one removes.
constexpr std::array kResults{"parts.json",      "scores.json",    "scores.csv",
                              "run.json",        "data.json",      "report.html",
                              "table.md",        "table.csv",      "robustness.json",
                              "robustness.csv",  "robustness.md",  "curves.svg",
                              "comparison.md",   "comparison.csv", "comparison.json",
                              "cases.csv",       "ablation.svg",   "ablation.png",
                              "predictions",     "overlays",       "probabilities.safetensors",
                              "hypotheses.json", "hypotheses.csv", "equal_fp.csv",
                              "trade.svg"};

std::vector<std::filesystem::path> folders_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> folders;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.is_directory() && entry.path().filename().string().front() != '.') folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

/// The folders of the networks of the run or comparison in `out`, and no folder of another run below it: a run keeps
/// them beside its config.json, a comparison two folders further down (`cell_folder`).
std::vector<std::filesystem::path> cells_in(const std::filesystem::path& out) {
  auto cells = folders_in(out);
  for (const auto& fold : folders_in(out)) {
    if (fold.filename().string().rfind("fold_", 0) != 0) continue;
    for (const auto& repeat : folders_in(fold)) {
      if (repeat.filename().string().rfind("repeat_", 0) != 0) continue;
      const auto nets = folders_in(repeat);
      cells.insert(cells.end(), nets.begin(), nets.end());
    }
  }
  const auto is_cell = [](const auto& folder) {  // its config.json names it, as the cell's own begin writes it
    const auto config = nlohmann::json::parse(std::ifstream(config_path(folder)), nullptr, /*allow_exceptions=*/false);
    return config.is_object() &&
           config.value("nets", nlohmann::json()) == nlohmann::json::array({folder.filename().string()});
  };
  cells.erase(std::remove_if(cells.begin(), cells.end(), std::not_fn(is_cell)), cells.end());
  return cells;
}

template <typename Keys>
bool among(const Keys& keys, const std::string& key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

bool is_free(const RunFolder& run, const std::string& key) {
  return among(kMachineOptions, key) || among(run.free_options, key) ||
         (run.allow_changes && (among(run.changeable, key) || among(kPlaces, key)));
}

/// Whether two values of the option `key` mean the same: "mine", "mine/", "./mine" and the absolute path are one place.
bool mean_the_same(const std::string& key, const nlohmann::json& before, const nlohmann::json& now) {
  if (before == now) return true;
  if (!(among(kPlaces, key) || key == "split") || !before.is_string() || !now.is_string()) return false;
  const auto one = before.get<std::string>(), other = now.get<std::string>();
  if (one.empty() || other.empty()) return false;
  const auto place = [](const std::string& path) {
    std::error_code ignored;
    auto clean = std::filesystem::weakly_canonical(std::filesystem::absolute(path), ignored);
    return clean.has_filename() ? clean : clean.parent_path();
  };
  return place(one) == place(other);
}

/// (folder/name, fingerprint) of each file, in order: a copied data set has the same.
std::vector<std::pair<std::string, std::string>> named_fingerprints(const std::vector<FileFingerprint>& files) {
  std::vector<std::pair<std::string, std::string>> named;
  for (const auto& file : files) {
    const auto name = file.path.parent_path().filename() / file.path.filename();
    named.emplace_back(name.string(), fmt::format("{:016x}", file.hash));
  }
  std::sort(named.begin(), named.end());
  return named;
}

/// What the run in `folder` keeps in its file `name` since it began. Where it keeps nothing, writes `now`, and returns
/// that: a run that begins, or one of a pam that kept none. Both as they come back from a file.
std::pair<nlohmann::json, nlohmann::json> kept_and_now(const std::filesystem::path& folder, const char* name,
                                                       const nlohmann::json& content, bool resume) {
  const auto text = content.dump(1, ' ', false, nlohmann::json::error_handler_t::replace);
  const auto now = nlohmann::json::parse(text);
  nlohmann::json kept;
  if (resume) kept = nlohmann::json::parse(std::ifstream(folder / name), nullptr, /*allow_exceptions=*/false);
  if (kept.type() == now.type()) return {kept, now};
  std::filesystem::create_directories(folder);
  write_atomically(folder / name, text + "\n");
  return {now, now};
}

}  // namespace

void check_writable(const std::string& option, const std::filesystem::path& folder) {
  auto existing = std::filesystem::absolute(folder);
  std::error_code ignored;
  while (!std::filesystem::exists(existing, ignored) && existing.has_relative_path()) existing = existing.parent_path();
  check(std::filesystem::is_directory(existing, ignored), "{} {}: {} is a file, not a folder; choose another place",
        option, folder.string(), existing.string());
  check(::access(existing.c_str(), W_OK | X_OK) == 0, "{} {}: {} cannot be written to: {}; choose another place",
        option, folder.string(), existing.string(), std::strerror(errno));
}

void check_apart(const std::string& option, const std::filesystem::path& out,
                 const std::vector<std::filesystem::path>& inputs, const std::string& example) {
  for (const auto& input : inputs) {
    std::error_code ignored;
    check(!std::filesystem::equivalent(out, std::filesystem::absolute(input).parent_path(), ignored),
          "{} {}: holds the input {}, so the results would be taken for inputs the next time; choose another folder, "
          "such as {}",
          option, out.string(), input.string(), (out / example).string());
  }
}

void check_run_folder(const RunFolder& run) {
  check_writable("--out", run.out);
  if (!std::filesystem::exists(config_path(run.out)) || run.overwrite) return;
  check(run.resume, "--out {}: holds a {} already; --resume continues it, --overwrite starts again", run.out.string(),
        run.what);
  const auto before = options_of_run(run.out.string());
  for (const auto& [key, value] : run.config.items()) {
    const auto old = before.find(key);
    check(is_free(run, key) || old == before.end() || mean_the_same(key, *old, value),
          "--resume: {} is {} in {}, and {} now; a {} continues with its own options: take this one back, {}or choose "
          "another --out",
          key, old == before.end() ? "" : old->dump(), config_path(run.out).string(), value.dump(), run.what,
          among(run.changeable, key) ? "allow the change with --allow-changes, "
          : among(kPlaces, key)      ? "say with --allow-changes that the data have moved, "
                                     : "");
  }
}

void mark_results(const std::filesystem::path& folder) {
  std::error_code ignored;
  const bool is_new = !std::filesystem::exists(folder, ignored) || std::filesystem::is_empty(folder, ignored);
  std::filesystem::create_directories(folder);
  if (is_new) write_atomically(folder / kResultsMarker, "");
}

void forget_run(const std::filesystem::path& out) {
  if (!std::filesystem::exists(config_path(out))) return;  // no run of its own: the folders below belong to others
  for (const auto& cell : cells_in(out)) {
    for (const auto* name : kResults) std::filesystem::remove_all(cell / name);
    for (const auto& file : std::filesystem::directory_iterator(cell)) {
      const auto name = file.path().filename().string();
      const auto starts = [&](const char* word) { return name.rfind(word, 0) == 0; };
      const bool learnt = starts("last.") || starts("best.") || starts("metrics.");
      if (learnt || starts("events.out.tfevents.")) std::filesystem::remove(file.path());
    }
  }
  for (const auto* name : kResults) {
    if (!std::filesystem::is_directory(out / name)) std::filesystem::remove(out / name);
  }
  for (const auto& file : std::filesystem::directory_iterator(out)) {
    const auto& path = file.path();
    const bool chart = path.filename().string().rfind("hypothesis_", 0) == 0 && path.extension() == ".svg";
    if (chart && file.is_regular_file()) std::filesystem::remove(path);
  }
}

void keep_parts(const std::filesystem::path& folder, const nlohmann::json& parts, bool resume) {
  const auto path = folder / "parts.json";
  const auto [before, now] = kept_and_now(folder, "parts.json", parts, resume);
  if (before == now) return;
  const char* remedy = "a run continues with its own; restore it, or start again with --overwrite or another --out";
  const auto part_of = [](const nlohmann::json& all) {
    std::map<std::string, std::string> part;
    for (const char* name : {"train", "validation", "test"}) {
      for (const auto& each : all.value(name, nlohmann::json::array())) part[each.get<std::string>()] = name;
    }
    return part;
  };
  const auto old = part_of(before), present = part_of(now);
  for (const auto& [name, part] : present) {
    const auto found = old.find(name);
    check(found != old.end() && found->second == part,
          "--resume: the case {} is {} in {}, and {} now: the split has changed (its file, the cases in the folder, or "
          "--max-cases), and networks would be tested on what they were trained on; {}",
          name, found == old.end() ? "in no part" : "a " + found->second + " case", path.string(),
          "a " + part + " case", remedy);
  }
  for (const auto& [name, part] : old) {
    check(present.count(name) > 0, "--resume: the case {} is a {} case in {}, and in no part now; {}", name, part,
          path.string(), remedy);
  }
  check(before.value("labels", nlohmann::json()) == now.value("labels", nlohmann::json()),
        "--resume: the label map (--label-values) is {} in {}, and {} now; {}",
        before.value("labels", nlohmann::json()).dump(), path.string(), now.value("labels", nlohmann::json()).dump(),
        remedy);
}

std::string keep_data(const std::filesystem::path& folder, const std::vector<FileFingerprint>& files, bool resume) {
  const auto path = folder / "data.json";
  const auto [before, now] = kept_and_now(folder, "data.json", named_fingerprints(files), resume);
  std::set<std::string> differ;
  const auto compare = [&](const nlohmann::json& some, const nlohmann::json& others) {
    const std::set<nlohmann::json> known(others.begin(), others.end());
    for (const auto& each : some) {
      if (known.count(each) == 0) differ.insert(each.is_array() && !each.empty() ? each[0].dump() : each.dump());
    }
  };
  compare(before, now);
  compare(now, before);
  if (differ.empty()) return {};
  constexpr std::size_t kNamed = 5;
  const std::vector<std::string> names(differ.begin(), std::next(differ.begin(), std::min(kNamed, differ.size())));
  return fmt::format(
      "The data differ from those that the run was started with (their fingerprints are in {}), in {} file{}: {}{}; "
      "the results mix both. For results of the present data only, start again with --overwrite.",
      path.string(), differ.size(), differ.size() == 1 ? "" : "s", joined(names, ", "),
      differ.size() > kNamed ? ", …" : "");
}

}  // namespace pam::apps
