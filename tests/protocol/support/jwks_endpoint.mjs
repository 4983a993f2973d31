// An issuer's JWKS endpoint, which answers as it is told.
import http from 'node:http';

// `answer(request, response)` can be swapped; `fetches` counts.
export class JwksEndpoint {
  static async start(...keys) {
    const endpoint = new JwksEndpoint();
    Object.assign(endpoint, {fetches: 0, held: []});
    endpoint.serve(...keys);
    endpoint.http = http.createServer((request, response) => {
      if (request.url === '/jwks') endpoint.fetches += 1;
      endpoint.answer(request, response);
    });
    await new Promise((resolve) => { endpoint.http.listen(0, '127.0.0.1', resolve); });
    endpoint.http.unref();
    endpoint.origin = `http://127.0.0.1:${endpoint.http.address().port}`;
    endpoint.url = `${endpoint.origin}/jwks`;
    return endpoint;
  }

  serve(...keys) {
    const text = JSON.stringify({keys: keys.map((key) => key.jwk ?? key)});
    this.answer = (request, response) => response.end(text);
    for (const response of this.held.splice(0)) response.end(text);
  }

  // Fetches wait, in `held`, until serve() is called.
  hold() {
    this.answer = (request, response) => { this.held.push(response); };
  }
}
