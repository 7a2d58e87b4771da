// Tells the threshold that is moved or typed, not at every pixel.
let waiting = null;
element.addEventListener('input', (event) => {
  const [typed, moved] = ['number', 'range'].map((kind) => element.querySelector(`[type=${kind}]`));
  const given = event.target.valueAsNumber;
  if (event.target === moved) typed.value = moved.value;
  else if (!Number.isNaN(given)) moved.value = given;
  clearTimeout(waiting);
  if (!Number.isNaN(given)) waiting = setTimeout(() => trigger('moved', { threshold: given }), 120);
});
// what was typed gives way to what the server says
watch('value', () => {
  for (const field of element.querySelectorAll('input')) field.value = field.defaultValue;
});
