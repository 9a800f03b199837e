// Draws the icons that platforms want as pictures from the one that is drawn by hand, public/icons/icon.svg: `npm run icons`.
// CHROMIUM names the browser to draw with.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const icons = new URL("../public/icons/", import.meta.url);

/** Platforms round the corners of a maskable icon as they like and may cut off a fifth at every side: it is square, with a margin. */
const PICTURES = [
  { file: "icon-192.png", size: 192, drawn: 1, square: false },
  { file: "icon-512.png", size: 512, drawn: 1, square: false },
  { file: "icon-maskable-512.png", size: 512, drawn: 0.8, square: true },
  { file: "apple-touch-icon.png", size: 180, drawn: 0.9, square: true },
];

const svg = await readFile(new URL("icon.svg", icons), "utf8");
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const page = await browser.newPage();
for (const { file, size, drawn, square } of PICTURES) {
  await page.setViewportSize({ width: size, height: size });
  const ground = square ? "#0e5a63" : "transparent";
  const style = `body{margin:0;height:100vh;display:grid;place-items:center;background:${ground}}`;
  await page.setContent(`<style>${style} svg{display:block;width:${size * drawn}px;height:${size * drawn}px}</style>${svg}`);
  await page.screenshot({ path: fileURLToPath(new URL(file, icons)), omitBackground: true });
}
await browser.close();
