/**
 * Elements from data. Text goes in as text, never as markup, so nothing that a user or a server wrote can become code.
 */
type Child = Node | string | null;

/** `on…` handlers, properties of the element, and attributes, which have a hyphen (`aria-label`). */
type Properties<Tag extends keyof HTMLElementTagNameMap> = Partial<
  Omit<HTMLElementTagNameMap[Tag], "style" | "dataset" | "children">
> & { readonly [attribute: `${string}-${string}`]: string };

export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  properties: Properties<Tag> = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-")) element.setAttribute(name, String(value));
    else Reflect.set(element, name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** The element of that id in index.html. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`index.html has no element with the id ${id}`);
  return element as T;
}

/** Sets the text only when it is another one: an unchanged live region stays silent, a selection survives. */
export function setText(element: Node, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
