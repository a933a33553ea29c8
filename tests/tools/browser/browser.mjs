// Chromium for tests, driven by JSON lines: one command a line on standard input, one
// answer a line on standard output. It ends when its input does.
//
//   {"as": "alice", "do": "begin", …}  → {"ok": …} or {"error": "…"}
//
// `as` names a person: a browser profile, one page, one passkey authenticator of their own.
//
//   begin       dark, script (default true), width, height: a phone's screen
//   open        url                → {url, status, title, text}
//   press       button, until      the button of this name; then waits for the text `until`
//   follow      link, until
//   fill        label, value
//   see                            → {url, title, text}
//   screenshot  file               the whole page
//   touch       present, verified  how the person treats their passkey from now on
//   credentials                    → the passkeys that the authenticator has
//   cookies                        → those of the page that is open, as a header
//   forget                         removes its cookies
//   barriers                       → what keeps people from using this page (axe-core, WCAG 2.2 AA)
//   faults                         → what the console, scripts and requests complained of
//
// HALLIGAN_CHROMIUM names the browser.

import axe from 'axe-core';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

// A machine that builds at the same time is slow.
const patience = 60_000;

const browser = await chromium.launch({
  executablePath: process.env.HALLIGAN_CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  timeout: 120_000,
  chromiumSandbox: false,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});

const people = new Map();

async function begin({ as, dark = false, script = true, width = 390, height = 844 }) {
  const context = await browser.newContext({
    viewport: { width, height },
    deviceScaleFactor: 2,
    isMobile: width < 600,
    hasTouch: width < 600,
    colorScheme: dark ? 'dark' : 'light',
    javaScriptEnabled: script,
    locale: 'en-GB',
  });
  context.setDefaultTimeout(patience);
  const page = await context.newPage();
  const faults = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) faults.push(message.text());
  });
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('requestfailed', (request) => {
    const why = request.failure()?.errorText;
    // Whoever goes on to the next page stops what this one still fetches.
    if (why !== 'net::ERR_ABORTED') faults.push(`${request.url()}: ${why}`);
  });
  const devtools = await context.newCDPSession(page);
  await devtools.send('WebAuthn.enable');
  const { authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  people.set(as, { context, page, devtools, authenticatorId, faults, script });
  return {};
}

const seen = async (page) => ({ url: page.url(), title: await page.title(), text: await page.locator('body').innerText() });

async function until(page, text) {
  if (text) await page.getByText(text).first().waitFor();
  await page.waitForLoadState();
  return seen(page);
}

const verbs = {
  async open({ page }, { url }) {
    const answer = await page.goto(url);
    return { status: answer?.status(), ...(await seen(page)) };
  },
  async press({ page }, { button, until: text }) {
    await page.getByRole('button', { name: button, exact: true }).first().click();
    return until(page, text);
  },
  async follow({ page }, { link, until: text }) {
    await page.getByRole('link', { name: link }).first().click();
    return until(page, text);
  },
  async fill({ page }, { label, value }) {
    await page.getByLabel(label).fill(value);
    return {};
  },
  see: ({ page }) => seen(page),
  async screenshot({ page }, { file }) {
    await page.screenshot({ path: file, fullPage: true });
    return {};
  },
  async touch({ devtools, authenticatorId }, { present = true, verified = true }) {
    await devtools.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled: present });
    await devtools.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: verified });
    return {};
  },
  async credentials({ devtools, authenticatorId }) {
    const { credentials } = await devtools.send('WebAuthn.getCredentials', { authenticatorId });
    return credentials.map(({ credentialId, rpId, signCount }) => ({ credentialId, rpId, signCount }));
  },
  async barriers({ page, script }) {
    // The looking is a script itself.
    if (!script) return [];
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate((values) => window.axe.run({ runOnly: { type: 'tag', values } }), tags);
    return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html).join(' ')}`);
  },
  async cookies({ context, page }) {
    return (await context.cookies(page.url())).map(({ name, value }) => `${name}=${value}`).join('; ');
  },
  async forget({ context }) {
    await context.clearCookies();
    return {};
  },
  async faults({ faults }) {
    return faults.splice(0);
  },
};

async function done(command) {
  if (command.do === 'begin') return begin(command);
  const person = people.get(command.as);
  if (!person) throw new Error(`nobody is called ${command.as}: begin first`);
  if (!Object.hasOwn(verbs, command.do)) throw new Error(`there is no ${command.do}`);
  return verbs[command.do](person, command);
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = { ok: await done(JSON.parse(line)) };
  } catch (error) {
    answer = { error: String(error.message ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
