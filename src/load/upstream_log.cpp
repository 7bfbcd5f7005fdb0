#include "load/upstream_log.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace ragtime::load {
namespace {

boost::json::object to_object(const UpstreamRecord& record) {
  boost::json::object headers;
  for (const auto& [key, value] : record.headers) headers[key] = value;
  return {{"id", record.id},
          {"method", record.method},
          {"path", record.path},
          {"model", record.model},
          {"script", record.script},
          {"stream", record.stream},
          {"headers", std::move(headers)},
          {"body", record.body},
          {"connection", record.connection},
          {"status", record.status},
          {"end", name(record.end)},
          {"phase", name(record.phase)},
          {"steps_sent", record.steps_sent},
          {"start_ms", record.start_ms},
          {"end_ms", record.end_ms}};
}

boost::json::object to_object(const UpstreamTotals& totals) {
  boost::json::object aborted_in;
  for (const auto& [phase, count] : totals.aborted_in) aborted_in[phase] = count;
  boost::json::object scripts;
  for (const auto& [script, count] : totals.scripts) scripts[script] = count;
  return {{"connections", totals.connections},
          {"open_connections", totals.open_connections},
          {"requests", totals.requests},
          {"running", totals.running},
          {"completed", totals.completed},
          {"faulted", totals.faulted},
          {"aborted", totals.aborted},
          {"aborted_in", std::move(aborted_in)},
          {"scripts", std::move(scripts)}};
}

}  // namespace

std::string_view name(UpstreamRecord::End end) {
  switch (end) {
    case UpstreamRecord::End::running:
      return "running";
    case UpstreamRecord::End::completed:
      return "completed";
    case UpstreamRecord::End::faulted:
      return "faulted";
    case UpstreamRecord::End::aborted:
      return "aborted";
  }
  return "";
}

double UpstreamLog::now_ms() const {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_).count();
}

void UpstreamLog::connection_opened() {
  const std::lock_guard lock(mutex_);
  ++totals_.connections;
  ++totals_.open_connections;
  changed_.notify_all();
}

void UpstreamLog::connection_closed() {
  const std::lock_guard lock(mutex_);
  --totals_.open_connections;
  changed_.notify_all();
}

std::uint64_t UpstreamLog::begin(UpstreamRecord record) {
  const std::lock_guard lock(mutex_);
  record.id = ++last_id_;
  record.start_ms = now_ms();
  if (record.body.size() > body_bytes_max_) record.body.resize(body_bytes_max_);
  ++totals_.requests;
  ++totals_.running;
  if (!record.script.empty()) ++totals_.scripts[record.script];
  records_.push_back(std::move(record));
  if (records_.size() > records_max_) records_.pop_front();
  changed_.notify_all();
  return last_id_;
}

void UpstreamLog::end(std::uint64_t id, UpstreamRecord::End end, Phase phase, std::size_t steps_sent) {
  const std::lock_guard lock(mutex_);
  --totals_.running;
  if (end == UpstreamRecord::End::completed) ++totals_.completed;
  if (end == UpstreamRecord::End::faulted) ++totals_.faulted;
  if (end == UpstreamRecord::End::aborted) {
    ++totals_.aborted;
    ++totals_.aborted_in[std::string(name(phase))];
  }
  if (!records_.empty() && id >= records_.front().id && id <= records_.back().id) {
    auto& record = records_[id - records_.front().id];
    record.end = end;
    record.phase = phase;
    record.steps_sent = steps_sent;
    record.end_ms = now_ms();
  }
  changed_.notify_all();
}

void UpstreamLog::clear() {
  const std::lock_guard lock(mutex_);
  UpstreamTotals fresh;
  fresh.open_connections = totals_.open_connections;
  fresh.running = totals_.running;
  totals_ = fresh;
  records_.clear();
}

UpstreamTotals UpstreamLog::totals() const {
  const std::lock_guard lock(mutex_);
  return totals_;
}

std::vector<UpstreamRecord> UpstreamLog::records() const {
  const std::lock_guard lock(mutex_);
  return {records_.begin(), records_.end()};
}

std::vector<UpstreamRecord> UpstreamLog::calls() const {
  auto out = records();
  std::erase_if(out, [](const UpstreamRecord& record) { return record.method != "POST"; });
  return out;
}

bool UpstreamLog::wait_for(const std::function<bool(const UpstreamTotals&)>& wanted,
                           std::chrono::milliseconds timeout) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, timeout, [&] { return wanted(totals_); });
}

std::string UpstreamLog::to_json() const {
  boost::json::array requests;
  for (const auto& record : records()) requests.emplace_back(to_object(record));
  return boost::json::serialize(
      boost::json::object{{"totals", to_object(totals())}, {"requests", std::move(requests)}});
}

}  // namespace ragtime::load
