/* SPDX-License-Identifier: MIT
 *
 * check_page.js PAGE MARKUP CHROMIUM [PICTURES] - opens the page from disk and prints TAP: every chart drew, nothing was
 * logged as an error, nothing was fetched, the label MARKUP shows as text, nothing is wider than a phone. PICTURES: a
 * folder for screenshots.
 */
'use strict';
const path = require('path');
const os = require('os');
const fs = require('fs');
const { chromium } = require('playwright-core');

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];
let count = 0;
let failed = 0;

function ok(good, name, why) {
  console.log(`${good ? 'ok' : 'not ok'} ${++count} - ${name}`);
  if (!good) {
    failed++;
    console.log(`# ${why}`);
  }
}

async function main() {
  const [file, markup, executablePath, pictures] = process.argv.slice(2);
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'mucmm-browser-'));
  const browser = await chromium.launchPersistentContext(profile, { executablePath, headless: true, args: FLAGS,
    viewport: { width: 1280, height: 900 } });
  const page = await browser.newPage();
  const errors = [];
  const fetched = [];
  page.on('console', (m) => { if (m.type() === 'error') errors.push(m.text()); });
  page.on('pageerror', (e) => errors.push(String(e)));
  page.on('dialog', (d) => { errors.push('dialog: ' + d.message()); d.dismiss(); });
  page.on('request', (r) => { if (!/^(file|data|blob):/.test(r.url())) fetched.push(r.url()); });

  const start = Date.now();
  await page.goto('file://' + path.resolve(file));
  await page.waitForFunction(() => document.querySelectorAll('.chart').length ===
    document.querySelectorAll('.chart.drawn').length, null, { timeout: 30000 }).catch(() => {});
  const seconds = (Date.now() - start) / 1000;

  const charts = await page.$$eval('.chart', (all) => all.map((c) => ({ title: c.querySelector('h3').textContent,
    marks: c.querySelectorAll('svg .mark-rect path, svg .mark-line path, svg .mark-area path, svg .mark-symbol path').length })));
  ok(charts.length >= 4, 'there are charts', `${charts.length}`);
  for (const c of charts)
    ok(c.marks > 0, `chart '${c.title}' drew`, 'it has no marks');
  ok(errors.length === 0, 'nothing was logged as an error', errors.join('; '));
  ok(fetched.length === 0, 'nothing was fetched', fetched.join(' '));
  ok(seconds < 3, 'the page opens in under 3 s', `${seconds} s`);
  console.log(`# opened and drawn in ${seconds} s`);
  if (markup) {
    const shown = await page.evaluate((m) => document.body.innerText.includes(m), markup);
    ok(shown, 'a label that holds markup shows as text', `'${markup}' is not on the page`);
    ok(await page.$('img[src="x"]') === null, 'and makes no element', 'there is an <img src=x>');
  }
  if (pictures)
    await page.screenshot({ path: path.join(pictures, 'desktop.png'), fullPage: true });
  for (const width of [390, 360]) {
    await page.setViewportSize({ width, height: 800 });
    await page.waitForTimeout(400);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    ok(wide <= width, `nothing scrolls sideways at ${width} pixels`, `the page is ${wide} wide`);
    if (pictures && width === 390)
      await page.screenshot({ path: path.join(pictures, 'phone.png'), fullPage: true });
  }
  await browser.close();
  fs.rmSync(profile, { recursive: true, force: true });
  console.log(`1..${count}`);
  process.exit(failed ? 1 : 0);
}

main().catch((e) => { console.error(e); process.exit(1); });
