/* SPDX-License-Identifier: MIT
 *
 * check_page.js PAGE MARKUP CHROMIUM [PICTURES] - opens the page from disk and prints TAP: every chart drew, nothing was
 * logged as an error, nothing was fetched, the label MARKUP shows as text, couplings answer to pointer, keys and touch,
 * nothing is wider than a phone. PICTURES: a folder for screenshots.
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

// What a coupling shows: how much of its picture is coloured, which labels are, what it says.
function stateOf(box) {
  return box.evaluate((b) => {
    const canvas = b.querySelector('canvas');
    const pixels = canvas ? canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data : [];
    let ink = 0;
    for (let i = 3; i < pixels.length; i += 4) ink += pixels[i];
    return { ink, lit: b.querySelectorAll('button.plus, button.minus').length, said: b.querySelector('.said').textContent,
      pressed: b.querySelectorAll('button[aria-pressed=true]').length,
      still: getComputedStyle(b.querySelector('.still')).display, live: getComputedStyle(b.querySelector('.live')).display };
  });
}

async function checkCoupling(page, box) {
  await box.scrollIntoViewIfNeeded();
  const grid = await box.$('.spots');
  const words = await box.$$('button');
  const rest = await stateOf(box);
  ok(rest.ink === 0 && rest.lit > 0 && rest.live !== 'none' && rest.still === 'none',
    'a coupling shows what each word adds, and no map yet', JSON.stringify(rest));
  const at = async (element, x, y) => {
    const r = await element.boundingBox();
    await page.mouse.move(r.x + x * r.width, r.y + y * r.height);
  };
  await at(words[1], 0.5, 0.5);
  const pointed = await stateOf(box);
  const name = await words[1].evaluate((w) => w.firstChild.textContent);
  ok(pointed.ink > 0 && pointed.said.startsWith(name), 'pointing at a word lights its spots', JSON.stringify(pointed));
  await at(grid, 0.3, 0.6);
  const spot = await stateOf(box);
  ok(spot.said !== pointed.said && /row \d+, column \d+/.test(spot.said), 'pointing at a spot lights its words', JSON.stringify(spot));
  await page.mouse.move(0, 0);
  const left = await stateOf(box);
  ok(left.said === rest.said && left.ink === 0, 'and goes with the pointer', JSON.stringify(left));
  await words[0].focus();
  await page.keyboard.press('ArrowRight');
  const moved = await stateOf(box);
  ok(moved.said === pointed.said && moved.ink === pointed.ink && moved.pressed === 1, 'arrow keys go from word to word',
    JSON.stringify(moved));
  await page.keyboard.press('Escape');
  ok((await stateOf(box)).said === rest.said, 'Escape lets go', (await stateOf(box)).said);
  await grid.focus();
  await page.keyboard.press('ArrowDown');
  const down = await stateOf(box);
  await page.keyboard.press('ArrowLeft');
  const across = await stateOf(box);
  ok(/row/.test(down.said) && /row/.test(across.said) && down.said !== across.said, 'and from spot to spot',
    `${down.said} ${across.said}`);
  await page.keyboard.press('Escape');
  await words[1].tap();
  const tapped = await stateOf(box);
  ok(tapped.ink === pointed.ink && tapped.pressed === 1, 'a touch does what pointing does, and stays', JSON.stringify(tapped));
  await words[1].tap();
  ok((await stateOf(box)).pressed === 0, 'another takes it back', JSON.stringify(await stateOf(box)));
  const r = await grid.boundingBox();
  await page.touchscreen.tap(r.x + 0.3 * r.width, r.y + 0.6 * r.height);
  ok((await stateOf(box)).said === spot.said, 'so for spots', (await stateOf(box)).said);
  await page.keyboard.press('Escape');
  await page.emulateMedia({ media: 'print' });
  const printed = await stateOf(box);
  ok(printed.live === 'none' && printed.still !== 'none' && await box.$('.still img') !== null, 'in print the maps stand there',
    JSON.stringify(printed));
  await page.emulateMedia({ media: 'screen' });
  const names = await box.evaluate((b) => Array.from(b.querySelectorAll('.side')).every((s) => s.getAttribute('aria-label')));
  ok(names, 'both sides have a name for those who do not see them', 'one lacks aria-label');
}

async function main() {
  const [file, markup, executablePath, pictures] = process.argv.slice(2);
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'mucmm-browser-'));
  const browser = await chromium.launchPersistentContext(profile, { executablePath, headless: true, args: FLAGS,
    viewport: { width: 1280, height: 900 }, hasTouch: true });
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
  const couplings = await page.$$('.coupling');
  ok(couplings.length > 0, 'there are couplings', 'none');
  const pictured = [];
  for (const box of couplings)
    if (await box.$('.spots') !== null && await box.$('button') !== null) pictured.push(box);
  if (pictured.length > 0)
    await checkCoupling(page, pictured[0]);
  ok(errors.length === 0, 'and nothing was logged as an error then', errors.join('; '));
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
