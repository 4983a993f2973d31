// Headless Chromium, and pages of an origin that the server under test may or may not know.
import http from 'node:http';
import {chromium} from 'playwright-core';

const executablePath = '/usr/bin/chromium';
const args = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'
];

// Serves an empty page; `origin` is what the server's CORS_ORIGINS has to name.
export class PageOrigin {
  static async start() {
    const pages = new PageOrigin();
    pages.http = http.createServer((request, response) => {
      response.setHeader('Content-Type', 'text/html; charset=utf-8');
      response.end('<!doctype html><title>a page</title>');
    });
    await new Promise((resolve) => { pages.http.listen(0, '127.0.0.1', resolve); });
    pages.http.unref();
    pages.origin = `http://127.0.0.1:${pages.http.address().port}`;
    return pages;
  }

  stop() {
    this.http.close();
    this.http.closeAllConnections();
  }
}

export class Browser {
  // It has a profile of its own, which goes with it.
  static async start() {
    const browser = new Browser();
    browser.chromium = await chromium.launch({executablePath, args, headless: true});
    return browser;
  }

  // A page of `origin`, with nothing of any other's. `headers` are added to all that it asks for.
  async page(origin, headers = {}) {
    const context = await this.chromium.newContext();
    await context.setExtraHTTPHeaders(headers);
    const page = await context.newPage();
    await page.goto(origin);
    return page;
  }

  stop() { return this.chromium.close(); }
}
