// How the page is built: plain files, and a service worker that keeps all of them for the next start without a network.
import { defineConfig, type Plugin } from "vite";
import { VitePWA } from "vite-plugin-pwa";

/** What the built page may load: its own files and its own server. `'wasm-unsafe-eval'` is what the engine needs. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "img-src 'self' data: blob:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
].join("; ");

/** Only in the build: the development server writes scripts and styles into the page. */
function contentSecurityPolicy(): Plugin {
  const attrs = { "http-equiv": "Content-Security-Policy", content: CONTENT_SECURITY_POLICY };
  return {
    name: "content-security-policy",
    apply: "build",
    transformIndexHtml: () => [{ tag: "meta", attrs, injectTo: "head-prepend" }],
  };
}

export default defineConfig({
  build: { target: "es2022", sourcemap: true },
  server: { proxy: { "/v1": "http://127.0.0.1:8787" } },
  plugins: [
    contentSecurityPolicy(),
    VitePWA({
      registerType: "prompt",
      injectRegister: false,
      includeAssets: ["icons/icon.svg", "icons/apple-touch-icon.png"],
      manifest: {
        id: "/",
        name: "Rounds: work orders, with or without a network",
        short_name: "Rounds",
        description: "Work orders at real places, with or without a network. The demo of Whimbrel.",
        lang: "en",
        start_url: "/",
        scope: "/",
        display: "standalone",
        background_color: "#f4f1ea",
        theme_color: "#0e5a63",
        categories: ["productivity"],
        icons: [
          { src: "/icons/icon-192.png", sizes: "192x192", type: "image/png" },
          { src: "/icons/icon-512.png", sizes: "512x512", type: "image/png" },
          { src: "/icons/icon-maskable-512.png", sizes: "512x512", type: "image/png", purpose: "maskable" },
        ],
      },
      workbox: {
        // The shell only. Data is the engine's: nothing under /v1/ may ever be answered from a cache, so there is no runtime caching
        // at all, and a navigation to /v1/ is not answered with the page either.
        globPatterns: ["**/*.{html,js,css,svg,png,webmanifest}"],
        navigateFallback: "/index.html",
        navigateFallbackDenylist: [/^\/v1\//],
        runtimeCaching: [],
        ignoreURLParametersMatching: [/^user$/],
        // The page that installs it has it at once: whoever loses the network right after the first visit can reload.
        clientsClaim: true,
        cleanupOutdatedCaches: true,
        maximumFileSizeToCacheInBytes: 4 * 1024 * 1024,
      },
    }),
  ],
});
