#include "response_parser.h"

namespace mana_sync::loadgen {
namespace {

ResponseEvents& events(llhttp_t* llhttp) {
  return *static_cast<ResponseEvents*>(llhttp->data);
}

// An interim answer (RFC 9110 §15.2): the real one follows.
bool is_interim(const llhttp_t* llhttp) {
  return llhttp->status_code < 200;
}

int on_headers_complete(llhttp_t* llhttp) {
  if (!is_interim(llhttp)) events(llhttp).on_head(llhttp->status_code);
  return 0;
}

int on_body(llhttp_t* llhttp, const char* at, size_t bytes) {
  events(llhttp).on_body({at, bytes});
  return 0;
}

int on_message_complete(llhttp_t* llhttp) {
  if (!is_interim(llhttp)) events(llhttp).on_complete(llhttp_should_keep_alive(llhttp) != 0);
  return 0;
}

}  // namespace

const llhttp_settings_t& ResponseParser::settings() {
  static const llhttp_settings_t kSettings = [] {
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    settings.on_headers_complete = on_headers_complete;
    settings.on_body = on_body;
    settings.on_message_complete = on_message_complete;
    return settings;
  }();
  return kSettings;
}

ResponseParser::ResponseParser(ResponseEvents& events) : events_(events) {
  reset();
}

void ResponseParser::reset() {
  llhttp_init(&llhttp_, HTTP_RESPONSE, &settings());
  llhttp_.data = &events_;
}

bool ResponseParser::feed(std::string_view bytes) {
  return llhttp_execute(&llhttp_, bytes.data(), bytes.size()) == HPE_OK;
}

}  // namespace mana_sync::loadgen
